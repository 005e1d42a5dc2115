//! HTTP/2 without TLS, where it is allowed, beside HTTP/1.1 on the same listener.

use bytes::Bytes;
use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{PLAIN, assert_counted, end_of, get, metric, say, world};
use crate::support::World;
use crate::support::wire::{Wire, request};

const H2C: &str = "[{address: '127.0.0.1:0', h2c: true}]";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) async fn http2_caller(world: &World) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(world.proxy.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

pub(super) fn http2_request(world: &World, method: &str, token: &str) -> Request<()> {
    let request = Request::builder().method(method).uri(format!("{}/orders/1", world.proxy.url));
    request.header("authorization", format!("Bearer {token}")).body(()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_with_prior_knowledge_are_served_on_one_connection() {
    let world = world(H2C, "").await;
    let (mut caller, token) = (http2_caller(&world).await, world.token());
    for _ in 0..3 {
        let (response, _) = caller.send_request(http2_request(&world, "GET", &token), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
        caller = caller.ready().await.unwrap();
    }
    assert_counted(&world, "obo_proxy_connections_accepted_total", "", 1).await;
    assert_eq!(world.target.requests()[0].header("x-forwarded-proto"), Some("http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_is_served_beside_it_whatever_the_method_begins_with() {
    let world = world(H2C, "").await;
    let token = world.token();
    for method in ["GET", "PUT", "POST", "PRI"] {
        let mut caller = Wire::connect(world.proxy.address()).await;
        let request = request(method, "/orders/1", &token, "Content-Length: 0\r\n");
        let (first, rest) = request.split_at(2);
        caller.write(first).await;
        tokio::task::yield_now().await;
        let answer = caller.ask(rest).await;
        assert!(matches!((method, answer.status()), ("PRI", 400 | 405) | (_, 200)), "{method} {}", answer.status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_is_refused_where_it_is_not_allowed() {
    let world = world(PLAIN, "").await;
    let (said, _) = end_of(&mut say(&world, [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()).await).await;
    assert!(said.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_that_does_not_go_on_ends_in_time() {
    let world = world(H2C, "limits: {header_timeout: 300ms}").await;
    for length in [1, 10, 23, 24] {
        let (said, _) = end_of(&mut say(&world, &PREFACE[..length]).await).await;
        // Behind a whole preface our settings come, unasked.
        assert!(said.is_empty() || length == 24 && said[3] == 4, "{length}: {said:?}");
    }
    assert_counted(&world, "obo_proxy_connections_ended_total", "reason=\"header_timeout\"", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_at_once_than_allowed_are_announced() {
    let world = world(H2C, "limits: {streams: 3}").await;
    let mut stream = say(&world, [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat()).await;
    let mut settings = vec![0; 9];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut settings).await.unwrap();
    let mut payload = vec![0; usize::from(settings[2])];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut payload).await.unwrap();
    // SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 section 6.5.2)
    assert!(payload.chunks(6).any(|setting| setting == [0, 3, 0, 0, 0, 3]), "{payload:?}");
}

/// Frames as a hostile caller writes them.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_takes_its_requests_back_as_a_rule_is_disconnected() {
    let world = world(H2C, "").await;
    let mut stream = say(&world, [PREFACE, &frame(4, 0, 0, b"")].concat()).await;
    // A GET for / without a token, from the static table of HPACK, and a host.
    let section = b"\x82\x86\x84\x41\x01a";
    for turn in 0..1000 {
        let number = 2 * turn + 1;
        let bytes = [frame(1, 5, number, section), frame(3, 0, number, &[0, 0, 0, 8])].concat();
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
    }
    end_of(&mut stream).await;
    // The HTTP/2 library has a bound of its own; where that is met first, the end is not counted as ours.
    assert!(metric(&world, "obo_proxy_connections_ended_total", "reason=\"resets\"").await <= 1);
    assert_eq!(http2_answer(&world).await, 200, "others are served");
}

async fn http2_answer(world: &World) -> u16 {
    let mut caller = http2_caller(world).await;
    let (response, _) = caller.send_request(http2_request(world, "GET", &world.token()), true).unwrap();
    response.await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_and_http2_callers_of_a_plain_listener_need_a_token_alike() {
    let world = world(H2C, "").await;
    let mut caller = http2_caller(&world).await;
    let (response, _) = caller.send_request(http2_request(&world, "GET", "junk"), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 401);
    assert_eq!(Wire::connect(world.proxy.address()).await.ask(get("junk")).await.status(), 401);
    assert_eq!(world.target.total_hits(), 0);
}
