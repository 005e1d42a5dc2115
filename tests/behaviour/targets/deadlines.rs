//! Deadlines: what a caller gets, what the log says, and that nothing is sent again because of them.

use std::time::Duration;

use tokio::net::TcpListener;

use super::{OK, route};
use crate::support::World;
use crate::support::log::access_line;
use crate::support::tls::{Authority, TlsTarget};
use crate::support::wire::{End, Wire, WireTarget, request};

/// A target that answers far too late.
async fn late() -> WireTarget {
    WireTarget::start(|mut wire, _| async move {
        wire.read_request().await;
        tokio::time::sleep(LATE).await;
        wire.write(OK).await;
    })
    .await
}

/// Longer than any deadline here, for an answer that nobody waits for.
const LATE: Duration = Duration::from_secs(10);

/// The answer to a GET, and what its access line says of the deadline.
async fn asked(settings: &str) -> (crate::support::Reply, String) {
    let world = World::with_routes(&route(settings)).await;
    let id = format!("deadline-{:016x}", fastrand::u64(..));
    let authorization = format!("Bearer {}", world.token());
    let headers = [("authorization", authorization.as_str()), ("x-request-id", &id)];
    let reply = world.send(http::Method::GET, "/t", &headers, "").await;
    let line = access_line(&id).await;
    (reply, line["deadline"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_without_an_answer_gets_no_second_request_and_the_log_says_which_deadline_it_was() {
    for (settings, deadline) in [
        ("read_timeout: 200ms", "read_timeout"),
        ("first_byte_timeout: 200ms", "first_byte_timeout"),
        ("timeout: 200ms", "timeout"),
    ] {
        let target = late().await;
        let (reply, struck) = asked(&format!("url: '{}', retries: 5, {settings}", target.url)).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (504, "target_timeout"));
        assert_eq!((struck.as_str(), target.requests()), (deadline, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_finish_its_handshake_runs_into_the_connect_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let silent = tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    let authority = Authority::new();
    let settings = format!("url: '{url}', connect_timeout: 200ms, ca_file: '{}'", authority.file());
    let (reply, struck) = asked(&settings).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (504, "target_timeout"));
    assert_eq!(struck, "connect_timeout");
    silent.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_ends_with_the_time_for_the_whole_request() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_request().await;
        wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for _ in 0..1_000 {
            wire.write("1\r\nx\r\n").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        wire.write("0\r\n\r\n").await;
    })
    .await;
    let world = World::with_routes(&route(&format!("url: '{}', timeout: 500ms", target.url))).await;
    let id = format!("deadline-{:016x}", fastrand::u64(..));
    let request = crate::support::client().get(format!("{}/t", world.proxy.url)).bearer_auth(world.token());
    let response = request.header("x-request-id", &id).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err(), "the answer came to an end");
    let line = access_line(&id).await;
    assert_eq!((&line["deadline"], &line["code"]), (&"timeout".into(), &"target_timeout".into()));
}

/// A target that begins a header section, and goes on with it, byte by byte, for far longer than it may.
async fn dripping() -> WireTarget {
    WireTarget::start(|mut wire, _| async move {
        wire.read_request().await;
        wire.write("HTTP/1.1 200 OK\r\nX-Drip: ").await;
        for _ in 0..1_000 {
            wire.write("x").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        wire.write("\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_section_that_drips_ends_in_time() {
    for deadline in ["first_byte_timeout", "timeout"] {
        let target = dripping().await;
        let (reply, struck) = asked(&format!("url: '{}', {deadline}: 300ms", target.url)).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (504, "target_timeout"), "{deadline}");
        assert_eq!((struck.as_str(), target.requests()), (deadline, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_for_the_first_byte_is_over_with_the_header_section_and_leaves_the_connection_usable() {
    let target = WireTarget::start(|mut wire, _| async move {
        while wire.read_request().await.is_some() {
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
            tokio::time::sleep(Duration::from_millis(600)).await;
            wire.write("late").await;
        }
    })
    .await;
    let world = World::with_routes(&route(&format!("url: '{}', first_byte_timeout: 300ms", target.url))).await;
    // Each worker has connections of its own, and a caller stays with its worker.
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..2 {
        assert_eq!(caller.ask(request("GET", "/t", &world.token(), "")).await.text(), "late");
        tokio::time::sleep(Duration::from_millis(350)).await;
    }
    assert_eq!(target.connections(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_over_tls_runs_into_the_same_deadlines() {
    let authority = Authority::new();
    let target = TlsTarget::start(authority.server_config("localhost", b"http/1.1"), |stream, _| async move {
        let mut wire = Wire::new(stream);
        wire.read_request().await;
        tokio::time::sleep(LATE).await;
        wire.write(OK).await;
    })
    .await;
    let settings = format!("url: '{}', ca_file: '{}', first_byte_timeout: 200ms", target.url, authority.file());
    let (reply, struck) = asked(&settings).await;
    assert_eq!((reply.status.as_u16(), struck.as_str()), (504, "first_byte_timeout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_within_an_answer_ends_with_the_time_for_the_whole_request() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_request().await;
        wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nha\r\n").await;
        wire.read_request().await;
    })
    .await;
    let world = World::with_routes(&route(&format!("url: '{}', timeout: 300ms", target.url))).await;
    let id = format!("deadline-{:016x}", fastrand::u64(..));
    let mut caller = Wire::connect(world.proxy.address()).await;
    let lines = format!("X-Request-Id: {id}\r\n");
    let answer = caller.ask(request("GET", "/t", &world.token(), &lines)).await;
    assert_eq!((answer.status(), answer.end), (200, End::Broken));
    assert_eq!(access_line(&id).await["deadline"], "timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_of_a_websocket_ends_in_time_and_the_websocket_does_not() {
    let silent = late().await;
    let world = World::with_routes(&route(&format!("url: '{}', read_timeout: 300ms", silent.url))).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("GET", "/t", &world.token(), upgrade)).await;
    assert_eq!((answer.status(), answer.code().as_str()), (504, "target_timeout"));

    let switching = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        wire.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        wire.write("late\n").await;
        wire.read_head().await;
    })
    .await;
    let settings = format!("url: '{}', read_timeout: 300ms, first_byte_timeout: 300ms, timeout: 400ms", switching.url);
    let world = World::with_routes(&route(&settings)).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("GET", "/t", &world.token(), upgrade)).await;
    assert!(caller.read_head().await.unwrap().starts_with(b"HTTP/1.1 101 "));
    assert_eq!(caller.read_through(b"\n").await.unwrap(), b"late\n");
}
