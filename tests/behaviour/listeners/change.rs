//! Listeners that come, stay and go while the proxy serves.

use std::net::SocketAddr;
use std::time::Duration;

use obo_proxy::config::{self, Settings};
use tokio::net::TcpStream;

use super::{PLAIN, get, world};
use crate::support::wire::{Wire, WireTarget, request};
use crate::support::{ROUTES, World, configuration, eventually};

fn settings(world: &World, listeners: &str, more: &str) -> Settings {
    let routes = ROUTES.replace("{target}", world.target.url());
    let text = configuration(world.emulator.public_url(), "", &routes);
    let text = text.replace("listen: [{address: '127.0.0.1:0'}]", &format!("listen: {listeners}\n{more}"));
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    config::parse("routes.yaml", &text, base, &|_| None).unwrap_or_else(|findings| panic!("{findings}"))
}

fn change(world: &World, listeners: &str, more: &str) -> Result<Vec<SocketAddr>, String> {
    let settings = settings(world, listeners, more);
    let listeners = &world.proxy.listeners;
    let prepared = listeners.prepare(&settings.listeners, &settings.limits, settings.drain_timeout);
    listeners.commit(prepared.map_err(|error| error.to_string())?);
    Ok(listeners.addresses())
}

/// A free port; another process could take it in between, and this test then fails to bind, which it says.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_listener_serves_beside_the_old_one_which_keeps_its_connections() {
    let world = world(PLAIN, "").await;
    let token = world.token();
    let mut old = Wire::connect(world.proxy.address()).await;
    assert_eq!(old.ask(get(&token)).await.status(), 200);
    let addresses = change(&world, "[{address: '127.0.0.1:0'}, {address: '127.0.0.1:0', h2c: true}]", "").unwrap();
    assert_eq!(addresses[0].to_string(), world.proxy.address());
    assert_eq!(Wire::connect(&addresses[1].to_string()).await.ask(get(&token)).await.status(), 200);
    let answer = old.ask(get(&token)).await;
    assert_eq!((answer.status(), answer.header("connection").as_str()), (200, "keep-alive"));
    assert_eq!(Wire::connect(world.proxy.address()).await.ask(get(&token)).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_listener_takes_no_connection_and_lets_requests_finish() {
    let world = world(PLAIN, "").await;
    let token = world.token();
    let mut busy = Wire::connect(world.proxy.address()).await;
    busy.write(request("GET", "/orders/slow/700", &token, "")).await;
    eventually("the target has the request", async || world.target.total_hits() == 1).await;
    let mut kept = Wire::connect(world.proxy.address()).await;
    assert_eq!(kept.ask(get(&token)).await.status(), 200);
    let next = free();
    let addresses = change(&world, &format!("[{{address: '{next}'}}]"), "").unwrap();
    assert_eq!(addresses, [next]);
    eventually("it is closed", async || TcpStream::connect(world.proxy.address()).await.is_err()).await;
    let last = kept.ask(get(&token)).await;
    assert_eq!((last.status(), last.header("connection").as_str()), (200, "close"));
    assert!(kept.is_closed().await);
    let answer = busy.read_response().await;
    assert_eq!((answer.status(), answer.header("connection").as_str()), (200, "close"));
    let other = Wire::connect(&next.to_string()).await.ask(get(&token)).await;
    assert_eq!((other.status(), other.header("connection").as_str()), (200, "keep-alive"));
    assert_eq!(world.proxy.admin("/readyz").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_connections_of_a_removed_listener_are_closed() {
    let world = world(PLAIN, "").await;
    let mut kept = Wire::connect(world.proxy.address()).await;
    assert_eq!(kept.ask(get(&world.token())).await.status(), 200);
    change(&world, &format!("[{{address: '{}'}}]", free()), "").unwrap();
    assert!(super::end_of(&mut kept.stream).await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_made_changes_nothing() {
    let world = world(PLAIN, "").await;
    let taken = crate::support::listener();
    let listeners = format!("[{{address: '{}'}}]", taken.local_addr().unwrap());
    let error = change(&world, &listeners, "").unwrap_err();
    assert!(error.starts_with(&format!("failed to listen on {}", taken.local_addr().unwrap())), "{error}");
    assert_eq!(world.proxy.listeners.addresses()[0].to_string(), world.proxy.address());
    assert_eq!(world.get("/orders/1", &world.token()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_prepared_and_not_made_leaves_nothing_bound() {
    let world = world(PLAIN, "").await;
    let next = free();
    let settings = settings(&world, &format!("[{{address: '127.0.0.1:0'}}, {{address: '{next}'}}]"), "");
    let prepared = world.proxy.listeners.prepare(&settings.listeners, &settings.limits, settings.drain_timeout);
    assert!(TcpStream::connect(next).await.is_ok(), "bound");
    drop(prepared);
    assert!(TcpStream::connect(next).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_limits_hold_for_new_connections() {
    let world = world(PLAIN, "").await;
    let token = world.token();
    let mut old = Wire::connect(world.proxy.address()).await;
    assert_eq!(old.ask(get(&token)).await.status(), 200);
    change(&world, PLAIN, "limits: {header_timeout: 200ms, idle_timeout: 200ms}").unwrap();
    let mut new = Wire::connect(world.proxy.address()).await;
    assert_eq!(new.ask(get(&token)).await.status(), 200);
    assert!(super::end_of(&mut new.stream).await.0.is_empty());
    assert_eq!(old.ask(get(&token)).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_caller_of_a_removed_listener_gets_its_answers_and_a_farewell() {
    let world = world("[{address: '127.0.0.1:0', h2c: true}]", "").await;
    let stream = TcpStream::connect(world.proxy.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut caller = sender.ready().await.unwrap();
    let mut request = super::cleartext::http2_request(&world, "GET", &world.token());
    *request.uri_mut() = format!("{}/orders/slow/700", world.proxy.url).parse().unwrap();
    let (response, _) = caller.send_request(request, true).unwrap();
    eventually("the target has the request", async || world.target.total_hits() == 1).await;
    change(&world, &format!("[{{address: '{}'}}]", free()), "").unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    // GOAWAY ends the connection without an error once everything is answered.
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_lives_on_when_its_listener_is_removed_until_the_drain_time_is_over() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
        while let Some(line) = wire.read_through(b"\n").await {
            wire.write(line).await;
        }
    })
    .await;
    let world =
        target.world("\n  - {path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}\n").await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    caller.write(request("GET", "/t/socket", &world.token(), upgrade)).await;
    assert!(caller.read_head().await.unwrap().starts_with(b"HTTP/1.1 101 "));
    let settings = settings(&world, &format!("[{{address: '{}'}}]", free()), "");
    let listeners = &world.proxy.listeners;
    let prepared = listeners.prepare(&settings.listeners, &settings.limits, Duration::from_secs(2)).unwrap();
    listeners.commit(prepared);
    // Longer than an unused connection stays.
    for _ in 0..6 {
        caller.write("still there\n").await;
        assert_eq!(caller.read_through(b"\n").await.unwrap(), b"still there\n");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert!(super::end_of(&mut caller.stream).await.0.is_empty(), "its time is over");
}
