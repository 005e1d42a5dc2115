"""WebSockets by the library of that name on both sides of the proxy: messages, control frames and how they end."""

import asyncio
import ssl

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

import protocol_world
import world
from world import checked

BIG = 4 * 1024 * 1024
LIMITS = {"max_size": 2 * BIG, "open_timeout": 30}


class Target:
    def __init__(self, **settings):
        self.settings = settings
        self.seen = []
        self.ended = asyncio.Event()

    async def __aenter__(self):
        self.server = await serve(self.talk, "127.0.0.1", 0, **LIMITS, **self.settings)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        await self.server.wait_closed()

    async def talk(self, connection):
        self.seen.append(connection.request.headers)
        try:
            async for message in connection:
                if message == "close":
                    await connection.close(4001, "as you wish")
                elif message == "ping":
                    await (await connection.ping(b"are you there"))
                    await connection.send("pong came back")
                elif message == "fragments":
                    await connection.send(iter(["one ", "two ", "three"]))
                else:
                    await connection.send(message)
        finally:
            self.code = connection.close_code
            self.ended.set()


class Scene:
    """A target, and a proxy in front of it."""

    def __init__(self, **settings):
        self.target = Target(**settings)

    async def __aenter__(self):
        await self.target.__aenter__()
        route = {"path": "/t", "target": self.target.url}
        self.proxy = await asyncio.to_thread(protocol_world.Proxy, [route])
        self.token = await asyncio.to_thread(world.mint)
        return self

    async def __aexit__(self, *_):
        await self.target.__aexit__()

    def connect(self, tls, token=None, **more):
        address = f"wss://{self.proxy.address}/t" if tls else f"ws://{self.proxy.plain}/t"
        if tls:
            more["ssl"] = ssl.create_default_context(cafile=str(world.DIRECTORY / "authority.pem"))
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return connect(address, additional_headers=headers, proxy=None, **LIMITS, **more)


def messages_of_every_kind_pass():
    async def claim():
        async with Scene(subprotocols=["chat.v2"]) as scene:
            for tls in (True, False):
                async with scene.connect(tls, subprotocols=["chat.v1", "chat.v2"]) as socket:
                    assert socket.subprotocol == "chat.v2"
                    assert "permessage-deflate" in socket.response.headers["Sec-WebSocket-Extensions"]
                    for message in ("grüße", "", b"", b"\x00\xff", "long " * (BIG // 5), bytes(range(256)) * (BIG // 256)):
                        await socket.send(message)
                        assert await socket.recv() == message
                    await socket.send(iter(["in ", "several ", "frames"]))
                    assert await socket.recv() == "in several frames"
                    await socket.send("fragments")
                    assert await socket.recv() == "one two three"
                    for number in range(200):
                        await socket.send(str(number))
                    assert [await socket.recv() for _ in range(200)] == [str(number) for number in range(200)]
            assert all(scene.token not in str(headers) for headers in scene.target.seen)
    asyncio.run(claim())
    checked("text, binary, fragments, compression and subprotocols, over TLS and without")


def control_frames_pass_in_both_directions():
    async def claim():
        async with Scene() as scene:
            for tls in (True, False):
                async with scene.connect(tls) as socket:
                    await asyncio.wait_for(await socket.ping(b"hello"), 30)
                    await socket.send("ping")
                    assert await socket.recv() == "pong came back"
    asyncio.run(claim())
    checked("ping and pong")


def either_end_closes_with_its_own_code():
    async def claim():
        async with Scene() as scene:
            for tls in (True, False):
                async with scene.connect(tls) as socket:
                    await socket.send("close")
                    try:
                        await socket.recv()
                    except websockets.ConnectionClosedError as closed:
                        assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "as you wish"), closed
                scene.target.ended.clear()
                async with scene.connect(tls) as socket:
                    await socket.close(4002, "that is all")
                    assert socket.close_code == 4002
                await asyncio.wait_for(scene.target.ended.wait(), 30)
                assert scene.target.code == 4002, scene.target.code
                scene.target.ended.clear()
                socket = await scene.connect(tls)
                socket.transport.abort()
                await asyncio.wait_for(scene.target.ended.wait(), 30)
                assert scene.target.code == 1006, scene.target.code
    asyncio.run(claim())
    checked("close codes and reasons, and the end without one")


def a_handshake_without_a_good_token_fails_with_401():
    async def claim():
        async with Scene() as scene:
            for tls in (True, False):
                try:
                    await scene.connect(tls, token="junk")
                    raise AssertionError("it opened")
                except websockets.InvalidStatus as refused:
                    assert refused.response.status_code == 401
                    assert refused.response.headers["WWW-Authenticate"].startswith("Bearer ")
            assert scene.target.seen == []
    asyncio.run(claim())
    checked("refused handshakes")


if __name__ == "__main__":
    try:
        world.run(__name__)
    finally:
        protocol_world.stop()
