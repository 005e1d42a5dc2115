"""gRPC by grpcio on both sides of the proxy: every kind of call, its metadata and its end."""

import threading
import time
from concurrent import futures

import grpc

import protocol_world
import world
from world import checked

BIG = 8 * 1024 * 1024
OPTIONS = [("grpc.max_receive_message_length", 4 * BIG), ("grpc.max_send_message_length", 4 * BIG)]
WAIT = 30


class Target:
    """A server that tells what it was sent."""

    def __init__(self, tls):
        self.metadata = []
        self.cancelled = threading.Event()
        self.started = threading.Event()
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Refuse": grpc.stream_unary_rpc_method_handler(self.refuse),
            "Split": grpc.unary_stream_rpc_method_handler(self.split),
            "Join": grpc.stream_unary_rpc_method_handler(self.join),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
            "Wait": grpc.unary_stream_rpc_method_handler(self.wait),
            "Silent": grpc.unary_unary_rpc_method_handler(self.silent),
            "Left": grpc.unary_unary_rpc_method_handler(self.left),
        }
        self.server = grpc.server(futures.ThreadPoolExecutor(32), options=OPTIONS)
        # The proxy passes the path on without the route's prefix.
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
        if tls:
            key, chain = world.text("listener.key").encode(), world.text("listener-chain.pem").encode()
            credentials = grpc.ssl_server_credentials([(key, chain)])
            self.url = f"https://localhost:{self.server.add_secure_port('127.0.0.1:0', credentials)}"
        else:
            self.url = f"http://127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def note(self, context):
        self.metadata.append(dict(context.invocation_metadata()))
        return self.metadata[-1]

    def unary(self, request, context):
        seen = self.note(context)
        context.send_initial_metadata([("x-begin", "1"), ("x-begin-bin", b"\x00\xff")])
        context.set_trailing_metadata([("x-end", "2"), ("x-end-bin", bytes(range(256))), ("x-seen-bin", seen.get("x-own-bin", b""))])
        if request == b"who":
            return seen["authorization"].encode()
        return request

    def fail(self, request, context):
        self.note(context)
        context.set_trailing_metadata([("x-why", "because")])
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nö: 100 % \n of it")

    def refuse(self, requests, context):
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more of that")

    def split(self, request, context):
        self.note(context)
        for byte in request:
            yield bytes([byte])
        context.set_trailing_metadata([("x-count", str(len(request)))])

    def join(self, requests, context):
        self.note(context)
        return b"".join(requests)

    def chat(self, requests, context):
        self.note(context)
        for request in requests:
            yield b"echo " + request

    def wait(self, request, context):
        self.note(context)
        context.add_callback(self.cancelled.set)
        yield b"begun"
        self.started.set()
        self.cancelled.wait(WAIT)

    def silent(self, request, context):
        self.note(context)
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(WAIT)
        return b"too late"

    def left(self, request, context):
        self.note(context)
        return str(context.time_remaining()).encode()


class Caller:
    """A channel to the proxy, which sends a token with every call."""

    def __init__(self, proxy, prefix, token=None, tls=True):
        if tls:
            trusted = grpc.ssl_channel_credentials(world.text("authority.pem").encode())
            self.channel = grpc.secure_channel(proxy.address, trusted, options=OPTIONS)
        else:
            self.channel = grpc.insecure_channel(proxy.plain, options=OPTIONS)
        self.prefix, self.token, self.scheme = prefix, token, "https" if tls else "http"

    def call(self, kind, method, *arguments, metadata=(), token=None, **more):
        token = token or self.token
        if token:
            metadata = [*metadata, ("authorization", f"Bearer {token}")]
        function = getattr(self.channel, kind)(f"{self.prefix}/test.Echo/{method}")
        return function(*arguments, metadata=metadata, timeout=more.pop("timeout", WAIT), **more)

    def unary(self, method, request=b"hello", **more):
        function = self.channel.unary_unary(f"{self.prefix}/test.Echo/{method}")
        metadata = [*more.pop("metadata", ()), *self.authorization(more.pop("token", self.token))]
        return function.with_call(request, metadata=metadata, timeout=more.pop("timeout", WAIT), **more)

    def authorization(self, token):
        return [("authorization", f"Bearer {token}")] if token else []


def start(**settings):
    """Targets with TLS and without, a proxy in front of both, and callers with TLS and without."""
    targets = {"/tls": Target(True), "/plain": Target(False)}
    routes = [
        {"path": path, "target": {"url": target.url, "http2": True, **({"ca_file": "authority.pem"} if path == "/tls" else {}), **settings}}
        for path, target in targets.items()
    ]
    routes.append({"path": "/strict", "target": {"url": targets["/plain"].url, "http2": True}, "require": {"scopes": ["no.such.scope"]}})
    routes.append({"path": "/down", "target": {"url": f"http://{protocol_world.unused_address()}", "http2": True}})
    proxy = protocol_world.Proxy(routes, listen={"h2c": True})
    token = world.mint()
    pairs = [(target, Caller(proxy, path, token)) for path, target in targets.items()]
    pairs.append((targets["/plain"], Caller(proxy, "/plain", token, tls=False)))
    return proxy, token, pairs


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call succeeded")


def calls_pass_with_metadata_and_trailers():
    proxy, token, pairs = start()
    for target, caller in pairs:
        own = [("x-own", "1"), ("x-own-bin", bytes(range(256)))]
        answer, call = caller.unary("Unary", metadata=own)
        assert answer == b"hello" and call.code() is grpc.StatusCode.OK
        begin, end = dict(call.initial_metadata()), dict(call.trailing_metadata())
        assert begin["x-begin"] == "1" and begin["x-begin-bin"] == b"\x00\xff", begin
        assert end == {"x-end": "2", "x-end-bin": bytes(range(256)), "x-seen-bin": bytes(range(256))}, end
        seen = target.metadata[-1]
        assert seen["x-own"] == "1" and seen["x-forwarded-proto"] == caller.scheme
        assert seen["authorization"].startswith("Bearer ") and token not in seen["authorization"]
        empty, _ = caller.unary("Unary", b"")
        assert empty == b""
    checked("unary calls over TLS and without")


def streams_pass_in_every_direction():
    proxy, token, pairs = start()
    for target, caller in pairs:
        call = caller.call("unary_stream", "Split", b"abcdef")
        assert list(call) == [b"a", b"b", b"c", b"d", b"e", b"f"]
        assert dict(call.trailing_metadata())["x-count"] == "6"
        assert caller.call("stream_unary", "Join", iter([b"%d," % n for n in range(500)])) == b"".join(
            b"%d," % n for n in range(500)
        )
        said = [threading.Event() for _ in range(20)]

        def lines():
            for number, event in enumerate(said):
                # The next one waits for the answer to the last.
                assert number == 0 or said[number - 1].wait(WAIT)
                yield b"%d" % number

        for number, answer in enumerate(caller.call("stream_stream", "Chat", lines())):
            assert answer == b"echo %d" % number
            said[number].set()
        assert number == 19
    checked("server, client and bidirectional streams")


def errors_of_the_target_arrive_as_they_are():
    proxy, token, pairs = start()
    for target, caller in pairs:
        error = failure(lambda: caller.unary("Fail"))
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION, error
        assert error.details() == "nö: 100 % \n of it", error.details()
        assert dict(error.trailing_metadata())["x-why"] == "because"
        for _ in range(10):
            error = failure(lambda: caller.call("stream_unary", "Refuse", (b"x" * 10_000 for _ in range(200))))
            assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "no more of that"), error
        error = failure(lambda: caller.unary("NoSuchMethod"))
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED and "Method not found" in error.details()
    checked("errors with text and trailers, early ones included")


def deadlines_reach_the_target():
    proxy, token, pairs = start()
    for target, caller in pairs:
        left = float(caller.unary("Left", timeout=20)[0])
        assert 10 < left <= 20, left
        target.cancelled.clear()
        error = failure(lambda: caller.unary("Silent", timeout=2))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
        assert target.cancelled.wait(WAIT)
    checked("grpc-timeout, and the end of a call whose time is over")


def a_cancelled_call_is_cancelled_at_the_target():
    proxy, token, pairs = start()
    for target, caller in pairs:
        target.started.clear()
        target.cancelled.clear()
        call = caller.call("unary_stream", "Wait", b"")
        assert next(call) == b"begun"
        assert target.started.wait(WAIT) and not target.cancelled.is_set()
        call.cancel()
        assert target.cancelled.wait(WAIT)
        # The connections are none the worse for it.
        assert caller.unary("Unary")[0] == b"hello"
    checked("cancellation")


def large_and_compressed_messages_pass():
    proxy, token, pairs = start()
    text, noise = b"compress me " * (BIG // 12), bytes(n * n % 251 for n in range(BIG))
    for target, caller in pairs:
        for message in (text, noise):
            assert caller.unary("Unary", message)[0] == message
        assert caller.unary("Unary", text, compression=grpc.Compression.Gzip)[0] == text
        assert caller.call("stream_unary", "Join", iter([noise, noise])) == noise + noise
    checked("messages of mebibytes, and gzip")


def refusals_of_the_proxy_are_statuses():
    proxy, token, pairs = start(read_timeout="500ms")
    target, caller = pairs[1]
    code = grpc.StatusCode
    granted = world.requested()
    for prefix, method, wrong, expected in [
        ("/plain", "Unary", None, code.UNAUTHENTICATED),
        ("/plain", "Unary", "junk", code.UNAUTHENTICATED),
        ("/plain", "Unary", world.mint(lifetime=-600), code.UNAUTHENTICATED),
        ("/strict", "Unary", token, code.PERMISSION_DENIED),
        ("/nowhere", "Unary", token, code.UNIMPLEMENTED),
    ]:
        refused = Caller(proxy, prefix)
        for kind in ("unary_unary", "stream_stream"):
            if kind == "unary_unary":
                error = failure(lambda: refused.unary(method, token=wrong))
            else:
                error = failure(lambda: list(refused.call(kind, "Chat", iter([b"x"] * 50), token=wrong)))
            assert error.code() is expected, (prefix, error)
            assert error.details() and "request-id" in str(error.initial_metadata() or ()) + str(error.trailing_metadata()), error
            challenge = dict(error.trailing_metadata() or ()).get("www-authenticate", "")
            assert challenge.startswith("Bearer ") == (prefix in ("/plain", "/strict")), (prefix, challenge)
    assert target.metadata == [] and world.requested() == granted
    error = failure(lambda: Caller(proxy, "/down", token).unary("Unary"))
    assert error.code() is code.UNAVAILABLE, error
    error = failure(lambda: caller.unary("Silent"))
    assert error.code() is code.DEADLINE_EXCEEDED and error.details() == "The target takes too long", error
    target.cancelled.set()
    target.server.stop(0).wait(WAIT)
    error = failure(lambda: caller.unary("Unary"))
    assert error.code() is code.UNAVAILABLE, error
    checked("what the proxy refuses, as gRPC says it")


def each_call_carries_the_token_of_its_own_caller():
    proxy, _, pairs = start()
    tokens = {protocol_world.oid(number): world.mint(oid=protocol_world.oid(number)) for number in range(12)}
    for target, caller in pairs:
        def who(oid):
            answer, _ = caller.unary("Unary", b"who", token=tokens[oid])
            return oid, world.claims_of(answer.decode().removeprefix("Bearer "))["oid"]

        with futures.ThreadPoolExecutor(24) as pool:
            answers = list(pool.map(who, list(tokens) * 25))
        assert all(own == seen for own, seen in answers), answers
    checked("300 calls of 12 users on one connection, each with its own token B")


if __name__ == "__main__":
    try:
        world.run(__name__)
    finally:
        protocol_world.stop()
