"""A target that parses HTTP/1.1 with h11, as uvicorn does, and prints each request that it took for one."""

import asyncio
import json

import h11


def seen(request, body, trailers):
    headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
    print(json.dumps({
        "id": headers.get("x-probe", ""), "method": request.method.decode(), "target": request.target.decode(),
        "authorization": headers.get("authorization", ""), "forwarded_for": headers.get("x-forwarded-for", ""),
        "body": body.decode("latin-1"), "trailers": len(trailers), "whole": "OK",
    }), flush=True)


class Caller:
    def __init__(self, reader, writer):
        self.connection, self.reader, self.writer = h11.Connection(h11.SERVER), reader, writer

    async def event(self):
        while True:
            event = self.connection.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.connection.they_are_waiting_for_100_continue:
                self.send(h11.InformationalResponse(status_code=100, headers=[]))
            self.connection.receive_data(await self.reader.read(65536))

    def send(self, event):
        bytes_to_send = self.connection.send(event)
        if bytes_to_send:
            self.writer.write(bytes_to_send)

    async def serve(self):
        while True:
            request, body = await self.event(), b""
            if not isinstance(request, h11.Request):
                return
            while isinstance(event := await self.event(), h11.Data):
                body += event.data
            if not isinstance(event, h11.EndOfMessage):
                return
            seen(request, body, event.headers)
            answer = dict(request.headers).get(b"x-probe", b"")
            length = str(len(answer)).encode()
            self.send(h11.Response(status_code=200, headers=[("Content-Length", length)]))
            if request.method != b"HEAD":
                self.send(h11.Data(data=answer))
            self.send(h11.EndOfMessage())
            if self.connection.our_state is h11.MUST_CLOSE:
                return
            self.connection.start_next_cycle()


async def connected(reader, writer):
    try:
        await Caller(reader, writer).serve()
    except (h11.RemoteProtocolError, ConnectionError):
        # What cannot be read is no request, and ends the connection.
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
