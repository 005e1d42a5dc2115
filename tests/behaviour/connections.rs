//! Connections to the target: upgraded ones that outlive silence, pooled ones that have gone stale, and a target that
//! restarts.

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::support::wire::{Wire, WireTarget, request};
use crate::support::{World, eventually};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

const IMPATIENT: &str = "
  - {name: wire, path: /t, target: {url: '{target}', read_timeout: 300ms}, scopes: [api://orders-backend/Orders.Read]}
";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Pingora takes a 101 that overtakes the end of the request on its way through the proxy for the end of the connection.
const BEFORE_SWITCHING: Duration = Duration::from_millis(100);

/// A target that switches protocols and then returns each line with `echo ` before it.
async fn echoing_target() -> WireTarget {
    WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        sleep(BEFORE_SWITCHING).await;
        wire.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nready\n",
        )
        .await;
        while let Some(line) = wire.read_through(b"\n").await {
            wire.write([b"echo ", line.as_slice()].concat()).await;
        }
    })
    .await
}

async fn switched(world: &World, token: &str) -> Wire<TcpStream> {
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("GET", "/t/socket", token, HANDSHAKE)).await;
    let head = String::from_utf8(caller.read_head().await.unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.to_ascii_lowercase().contains("upgrade: websocket\r\n"), "{head}");
    caller
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_works_in_both_directions() {
    let target = echoing_target().await;
    let world = target.world(ROUTES).await;
    let mut caller = switched(&world, &world.token()).await;
    assert_eq!(caller.read_through(b"\n").await.unwrap(), b"ready\n");
    for line in ["one\n", "two\n"] {
        caller.write(line).await;
        assert_eq!(caller.read_through(b"\n").await.unwrap(), format!("echo {line}").as_bytes());
    }
    assert_eq!(target.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_of_a_websocket_carries_token_b() {
    let target = echoing_target().await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    drop(switched(&world, &token).await);
    let seen = target.only_request();
    assert_eq!((seen.header("upgrade").as_str(), seen.header("sec-websocket-version").as_str()), ("websocket", "13"));
    let authorization = seen.header("authorization");
    assert!(authorization.starts_with("Bearer eyJ") && !authorization.contains(&token));
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_outlives_a_silence_longer_than_the_read_timeout() {
    let target = echoing_target().await;
    let world = target.world(IMPATIENT).await;
    let mut caller = switched(&world, &world.token()).await;
    caller.read_through(b"\n").await.unwrap();
    sleep(Duration::from_secs(1)).await;
    caller.write("still there\n").await;
    assert_eq!(caller.read_through(b"\n").await.unwrap(), b"echo still there\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_without_a_good_token_is_refused() {
    let target = echoing_target().await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("GET", "/t/socket", "junk", HANDSHAKE)).await;
    assert_eq!((answer.status(), target.connections()), (401, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ends_when_the_target_ends_it() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        sleep(BEFORE_SWITCHING).await;
        wire.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nbye\n").await;
        wire.read_through(b"\n").await;
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = switched(&world, &world.token()).await;
    assert_eq!(caller.read_through(b"\n").await.unwrap(), b"bye\n");
    caller.write("bye\n").await;
    assert!(caller.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_switch_answers_as_usual() {
    let target = WireTarget::answering(&[b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("GET", "/t/socket", &world.token(), HANDSHAKE)).await;
    assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_target_is_given_up_after_the_read_timeout() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.read_head().await;
    });
    let target = target.await;
    let world = target.world(IMPATIENT).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("POST", "/t/x", &world.token(), "Content-Length: 0\r\n")).await;
    assert_eq!((answer.status(), answer.code().as_str(), target.requests()), (504, "target_timeout", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_the_target_closes_unasked_fail_no_get() {
    let target = WireTarget::answering_once(OK).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..20 {
        assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    }
    assert_eq!(target.requests(), 20);
}

/// A target whose first connection takes a second request and closes without an answer to it.
async fn leaving_target() -> WireTarget {
    WireTarget::start(|mut wire, turn| async move {
        while wire.read_request().await.is_some() {
            wire.write(OK).await;
            if turn == 0 {
                wire.read_request().await;
                return;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_on_a_connection_that_turns_out_closed_is_sent_again() {
    let target = leaving_target().await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..2 {
        assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    }
    assert_eq!((target.requests(), target.connections()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_may_have_been_acted_on_is_not_sent_again() {
    let target = leaving_target().await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    let answer = caller.ask(request("POST", "/t/x", &token, "Content-Length: 2\r\n") + "ab").await;
    assert_eq!((answer.status(), answer.code().as_str()), (502, "target_unavailable"));
    assert_eq!(target.requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_succeed_as_soon_as_a_target_is_back() {
    let serve = |mut wire: Wire<TcpStream>, _| async move {
        while wire.read_request().await.is_some() {
            wire.write(OK).await;
        }
    };
    let first = WireTarget::start(serve).await;
    let address = first.url.trim_start_matches("http://").to_owned();
    let world = first.world(ROUTES).await;
    let get = request("GET", "/t/x", &world.token(), "");
    let mut caller = Wire::connect(world.proxy.address()).await;
    assert_eq!(caller.ask(&get).await.status(), 200);
    drop(first);
    eventually("the target is gone", async || TcpStream::connect(&address).await.is_err()).await;
    let again = WireTarget::start_on(TcpListener::bind(&address).await.unwrap(), serve);
    for _ in 0..5 {
        assert_eq!(caller.ask(&get).await.status(), 200);
    }
    drop(again);
    assert_eq!(world.token_requests(), 1);
}

/// A target that nobody listens for yet.
async fn absent_target() -> (std::net::SocketAddr, World) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    (address, World::with_routes(&ROUTES.replace("{target}", &format!("http://{address}"))).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_was_down_is_found_again_by_the_next_request() {
    let (address, world) = absent_target().await;
    let get = request("GET", "/t/x", &world.token(), "");
    let down = Wire::connect(world.proxy.address()).await.ask(&get).await;
    assert_eq!((down.status(), down.code().as_str()), (502, "target_unavailable"));
    let target = WireTarget::start_on(TcpListener::bind(address).await.unwrap(), |mut wire, _| async move {
        wire.read_request().await;
        wire.write(OK).await;
    });
    let up = Wire::connect(world.proxy.address()).await.ask(&get).await;
    assert_eq!((up.status(), target.requests()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_after_a_failure_only_as_announced() {
    let (_, world) = absent_target().await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let down = caller.ask(request("GET", "/t/x", &world.token(), "")).await;
    assert_eq!((down.status(), down.header("connection").as_str()), (502, "close"));
    assert!(caller.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_a_target_that_is_down_is_answered() {
    let (_, world) = absent_target().await;
    let upload = request("POST", "/t/x", &world.token(), "Content-Length: 2000000\r\n") + &"b".repeat(2_000_000);
    let answer = Wire::connect(world.proxy.address()).await.ask(upload).await;
    assert_eq!((answer.status(), answer.code().as_str()), (502, "target_unavailable"));
}
