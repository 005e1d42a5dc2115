//! WebSocket connections: who may have one, that what is said arrives in both directions, and how one ends. Frames are the business
//! of both ends; what libraries make of them is tested with libraries.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::tls::{Authority, TlsProxy, TlsTarget};
use crate::support::wire::{Wire, WireTarget, request};
use crate::support::{World, at_once};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

const IMPATIENT: &str = "
  - {name: wire, path: /t, target: {url: '{target}', read_timeout: 300ms}, scopes: [api://orders-backend/Orders.Read]}
";

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches protocols at once, and then returns each line with `echo ` before it.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut wire: Wire<S>) {
    if wire.read_head().await.is_none() {
        return;
    }
    wire.write([SWITCHING, "ready\n"].concat()).await;
    while let Some(line) = wire.read_through(b"\n").await {
        wire.write([b"echo ", line.as_slice()].concat()).await;
    }
}

async fn echoing_target() -> WireTarget {
    WireTarget::start(|wire, _| echo(wire)).await
}

async fn switch<S: AsyncRead + AsyncWrite + Unpin>(mut caller: Wire<S>, token: &str) -> Wire<S> {
    caller.write(request("GET", "/t/socket", token, HANDSHAKE)).await;
    let head = String::from_utf8(caller.read_head().await.unwrap()).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.to_ascii_lowercase().contains("upgrade: websocket\r\n"), "{head}");
    caller
}

async fn switched(world: &World, token: &str) -> Wire<TcpStream> {
    switch(Wire::connect(world.proxy.address()).await, token).await
}

/// Says a few lines, and hears them again.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(caller: &mut Wire<S>) {
    assert_eq!(caller.read_through(b"\n").await.unwrap(), b"ready\n");
    for line in ["one\n", "two\n"] {
        caller.write(line).await;
        assert_eq!(caller.read_through(b"\n").await.unwrap(), format!("echo {line}").as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_works_in_both_directions() {
    let target = echoing_target().await;
    let world = target.world(ROUTES).await;
    converse(&mut switched(&world, &world.token()).await).await;
    assert_eq!(target.connections(), 1);
}

/// Opens a WebSocket `count` times, eight of them at a time, and each has to work.
async fn open_many(world: &World, count: usize) {
    let (address, token) = (world.proxy.address().to_owned(), world.token());
    at_once(8, |_| {
        let (address, token) = (address.clone(), token.clone());
        async move {
            for _ in 0..count / 8 {
                converse(&mut switch(Wire::connect(&address).await, &token).await).await;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_may_switch_at_once_thousands_of_times() {
    let target = echoing_target().await;
    let world = target.world(ROUTES).await;
    open_many(&world, 2_000).await;
    assert_eq!((target.connections(), world.token_requests()), (2_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_of_tls_may_switch_at_once_as_well() {
    let targets = Authority::new();
    let target = TlsTarget::wire(&targets, echo).await;
    let settings = format!("{{url: '{}', ca_file: '{}'}}", target.url, targets.file());
    let world = World::with_routes(&ROUTES.replace("'{target}'", &settings)).await;
    open_many(&world, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_works_over_tls() {
    let target = echoing_target().await;
    let (world, authority) = (World::start().await, Authority::new());
    let proxy = TlsProxy::start(&world, &authority, None, &ROUTES.replace("{target}", &target.url)).await;
    converse(&mut switch(authority.http1_caller(&proxy).await, &world.token()).await).await;
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
async fn subprotocols_and_extensions_are_for_both_ends_to_agree_on() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        let agreed = "\r\nSec-WebSocket-Protocol: chat.v2\r\nSec-WebSocket-Extensions: permessage-deflate; a=1\r\n\r\n";
        wire.write(SWITCHING.replace("\r\n\r\n", agreed)).await;
        wire.read_through(b"\n").await;
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let offers = "Sec-WebSocket-Protocol: chat.v1, chat.v2\r\nSec-WebSocket-Extensions: permessage-deflate; b=2, x\r\n";
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("GET", "/t/x", &world.token(), &[HANDSHAKE, offers].concat())).await;
    assert_eq!(answer.header("sec-websocket-protocol"), "chat.v2");
    assert_eq!(answer.header("sec-websocket-extensions"), "permessage-deflate; a=1");
    assert_eq!(answer.header("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let seen = target.only_request();
    assert_eq!(seen.header("sec-websocket-protocol"), "chat.v1, chat.v2");
    assert_eq!(seen.header("sec-websocket-extensions"), "permessage-deflate; b=2, x");
    assert_eq!(seen.header("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_outlives_a_silence_longer_than_the_read_timeout() {
    let target = echoing_target().await;
    let world = target.world(IMPATIENT).await;
    let mut caller = switched(&world, &world.token()).await;
    caller.read_through(b"\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    caller.write("still there\n").await;
    assert_eq!(caller.read_through(b"\n").await.unwrap(), b"echo still there\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn mebibytes_pass_in_both_directions_at_once() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.write(SWITCHING).await;
        let (mut reader, mut writer) = tokio::io::split(wire.stream);
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let caller = switched(&world, &world.token()).await;
    let (mut reader, mut writer) = tokio::io::split(caller.stream);
    let sent: Vec<u8> = (0..LARGE).map(|place| u8::try_from(place % 251).unwrap()).collect();
    let copy = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&copy).await.unwrap();
        writer
    });
    let mut received = vec![0; LARGE];
    reader.read_exact(&mut received).await.unwrap();
    assert!(received == sent, "something else came back");
    drop(writing.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_says_too_early_arrives_all_the_same() {
    let target = echoing_target().await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    for _ in 0..20 {
        let mut caller = Wire::connect(world.proxy.address()).await;
        caller.write(request("GET", "/t/socket", &token, HANDSHAKE) + "early\n").await;
        assert!(caller.read_head().await.unwrap().starts_with(b"HTTP/1.1 101 "));
        assert_eq!(caller.read_through(b"\n").await.unwrap(), b"ready\n");
        assert_eq!(caller.read_through(b"\n").await.unwrap(), b"echo early\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_without_a_good_token_is_refused_before_the_target_hears_of_it() {
    let target = echoing_target().await;
    let world = target.world(ROUTES).await;
    for authorization in ["", "Authorization: Bearer junk\r\n", "Authorization: Basic eDp5\r\n"] {
        let handshake = format!("GET /t/x HTTP/1.1\r\nHost: proxy.example\r\n{authorization}{HANDSHAKE}\r\n");
        let answer = Wire::connect(world.proxy.address()).await.ask(handshake).await;
        assert_eq!((answer.status(), target.connections()), (401, 0), "{authorization}");
        assert!(answer.header("upgrade").is_empty() && answer.header("www-authenticate").starts_with("Bearer "));
    }
    assert_eq!(world.token_requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_upgrades_are_not_passed_on() {
    let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    for (method, lines) in [
        ("GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"),
        ("GET", "Upgrade: websocket\r\n"),
        ("POST", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n"),
    ] {
        let answer = Wire::connect(world.proxy.address()).await.ask(request(method, "/t/x", &token, lines)).await;
        assert_eq!(answer.status(), 200, "{lines}");
    }
    for seen in target.received() {
        assert!(!seen.names().iter().any(|name| ["upgrade", "connection", "http2-settings"].contains(&&**name)));
    }
    assert_eq!(target.requests(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_switches_to_nothing_that_nobody_asked_for() {
    let target = WireTarget::answering(&[SWITCHING.as_bytes(), SWITCHING.replace("websocket", "h2c").as_bytes()]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    for lines in ["Content-Length: 0\r\n", HANDSHAKE] {
        let answer = Wire::connect(world.proxy.address()).await.ask(request("GET", "/t/x", &token, lines)).await;
        assert_eq!((answer.status(), answer.code().as_str()), (502, "target_unavailable"), "{lines}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_switch_answers_as_usual() {
    let target = WireTarget::answering(&[b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..3 {
        let answer = caller.ask(request("GET", "/t/socket", &token, HANDSHAKE)).await;
        assert_eq!((answer.status(), answer.text().as_str()), (403, "no"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_ends_when_the_target_ends_it() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.write([SWITCHING, "bye\n"].concat()).await;
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
async fn nothing_of_ours_is_said_in_a_websocket_whose_target_breaks_off() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.write([SWITCHING, "half a mess"].concat()).await;
        wire.read_through(b"\n").await;
        // What is unread makes the kernel reset the connection.
        wire.stream.set_zero_linger().unwrap();
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = switched(&world, &world.token()).await;
    caller.read_through(b"half a mess").await.unwrap();
    caller.write("go on\n").await;
    assert!(caller.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_hears_at_once_that_the_caller_has_left() {
    let left = Arc::new(Notify::new());
    let heard = Arc::clone(&left);
    let target = WireTarget::start(move |mut wire, _| {
        let heard = Arc::clone(&heard);
        async move {
            wire.read_head().await;
            wire.write(SWITCHING).await;
            assert!(wire.is_closed().await);
            heard.notify_one();
        }
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    for reset in [false, true] {
        let caller = switched(&world, &token).await;
        if reset {
            caller.stream.set_zero_linger().unwrap();
        }
        drop(caller);
        tokio::time::timeout(Duration::from_secs(10), left.notified()).await.expect("the target hears of it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_over_http2_are_not_offered_and_are_refused() {
    let target = echoing_target().await;
    let (world, authority) = (World::start().await, Authority::new());
    let proxy = TlsProxy::start(&world, &authority, None, &ROUTES.replace("{target}", &target.url)).await;
    let mut caller = authority.http2_caller(&proxy).await;
    let url = format!("{}/t/x", proxy.url);
    let bearer = format!("Bearer {}", world.token());
    // What its settings say is known once an answer is there.
    let get = Request::get(&url).version(Version::HTTP_2).body(()).unwrap();
    assert_eq!(caller.send_request(get, true).unwrap().0.await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert!(!caller.is_extended_connect_protocol_enabled());
    let mut connect = Request::builder().method(Method::CONNECT).uri(&url).version(Version::HTTP_2);
    connect = connect.header("authorization", &bearer).extension(h2::ext::Protocol::from_static("websocket"));
    let answer = caller.send_request(connect.body(()).unwrap(), false).unwrap().0.await;
    assert!(answer.is_err_and(|error| error.is_reset()));
    let get = Request::get(&url).version(Version::HTTP_2).body(()).unwrap();
    assert_eq!(caller.ready().await.unwrap().send_request(get, true).unwrap().0.await.unwrap().status(), 401);
    assert_eq!((target.connections(), world.token_requests()), (0, 0));
}

const LARGE: usize = 8 << 20;
