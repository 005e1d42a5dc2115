//! Callers that take their time: how long each part of a request may take, and that others do not notice.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::cleartext::{frame, http2_caller, http2_request};
use super::{PLAIN, assert_counted, end_of, get, metric, say, world};
use crate::support::wire::{Wire, request};
use crate::support::{World, at_once, eventually};

const IMPATIENT: &str = "limits: {header_timeout: 400ms, idle_timeout: 600ms, body_timeout: 400ms}";
const H2C: &str = "[{address: '127.0.0.1:0', h2c: true}]";
const ENDED: &str = "obo_proxy_connections_ended_total";

/// Writes a byte now and then until the peer has had enough.
async fn drip(mut stream: TcpStream, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let (mut reader, mut writer) = stream.split();
    let begun = std::time::Instant::now();
    let dripping = async {
        for byte in bytes {
            if writer.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut said = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut said);
    tokio::select! {
        () = dripping => {}
        read = tokio::time::timeout(super::PATIENCE, reading) => drop(read.expect("the connection ends")),
    }
    (said, begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_section_that_drips_ends_however_often_a_byte_comes() {
    let world = world(PLAIN, IMPATIENT).await;
    let (said, took) = drip(say(&world, "").await, &[b'a'; 2000]).await;
    assert_eq!(said, b"");
    assert!(took >= Duration::from_millis(350), "{took:?}");
    assert_counted(&world, ENDED, "reason=\"header_timeout\"", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_does_the_second_one_of_a_connection() {
    let world = world(PLAIN, IMPATIENT).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    assert_eq!(caller.ask(get(&world.token())).await.status(), 200);
    let (said, _) = drip(caller.stream, &[b'a'; 2000]).await;
    assert_eq!(said, b"");
    assert_counted(&world, ENDED, "reason=\"header_timeout\"", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_says_anything_ends() {
    let world = world(PLAIN, IMPATIENT).await;
    assert_eq!(end_of(&mut say(&world, "").await).await.0, b"");
    assert_counted(&world, ENDED, "reason=\"header_timeout\"", 1).await;
    eventually("it is not counted any more", async || metric(&world, "obo_proxy_connections", "").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_connection_ends_after_its_own_time() {
    let world = world(PLAIN, IMPATIENT).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    assert_eq!(caller.ask(get(&world.token())).await.status(), 200);
    let (said, took) = end_of(&mut caller.stream).await;
    assert!(said.is_empty() && took >= Duration::from_millis(550), "{took:?}");
    assert_counted(&world, ENDED, "reason=\"idle_timeout\"", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_take_longer_than_all_of_them() {
    let world = world(PLAIN, IMPATIENT).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..2 {
        let answer = caller.ask(request("GET", "/orders/slow/1200", &world.token(), "")).await;
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_requests_and_no_silence() {
    let world = world(PLAIN, IMPATIENT).await;
    let token = world.token();
    let slow = request("GET", "/orders/slow/1000", &token, "");
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write([slow.as_str(), &slow, &get(&token)].concat()).await;
    for _ in 0..3 {
        assert_eq!(caller.read_response().await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_in_the_middle_of_a_body_ends_the_request() {
    let world = world(PLAIN, IMPATIENT).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let upload = request("POST", "/orders/1", &world.token(), "Content-Length: 100\r\n") + "abc";
    let answer = caller.ask(upload).await;
    assert_eq!((answer.status(), answer.code().as_str()), (400, "broken_request"));
    assert_eq!(answer.header("connection"), "close");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_slow_as_long_as_it_is_not_silent() {
    let world = world(PLAIN, IMPATIENT).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("POST", "/orders/1", &world.token(), "Content-Length: 20\r\n")).await;
    for _ in 0..20 {
        caller.write("a").await;
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(caller.read_response().await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_http2_connection_ends() {
    let world = world(H2C, IMPATIENT).await;
    let mut caller = http2_caller(&world).await;
    let (response, _) = caller.send_request(http2_request(&world, "GET", &world.token()), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 200);
    eventually("it has ended", async || metric(&world, "obo_proxy_connections", "").await == 0).await;
    assert!(caller.ready().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_header_section_that_is_not_completed_ends_the_connection() {
    let world = world(H2C, IMPATIENT).await;
    // GET for / of the host a, from the static table of HPACK.
    let served = frame(1, 5, 1, b"\x82\x86\x84\x41\x01a");
    let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, b""), &served].concat();
    let mut stream = say(&world, opening).await;
    let answered = "obo_proxy_requests_total{code=\"no_route\",route=\"\",status=\"404\"}";
    eventually("the first request is answered", async || world.proxy.metric(answered).await >= 1.0).await;
    stream.write_all(&frame(1, 0, 3, b"\x82")).await.unwrap();
    let continuations: Vec<u8> = (0..200).flat_map(|_| frame(9, 0, 3, b"\x86")).collect();
    drip(stream, &continuations).await;
    assert_counted(&world, ENDED, "reason=\"header_timeout\"", 1).await;
}

/// Silence in the middle of a body over HTTP/2 is bounded by the time that the target may be silent.
#[tokio::test(flavor = "multi_thread")]
async fn an_http2_body_that_never_ends_is_given_up() {
    let text = "
  - {path: /orders, target: {url: '{target}', read_timeout: 400ms}, scopes: [api://orders-backend/Orders.Read]}
";
    let target = crate::support::wire::WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.read_through(b"never").await;
    })
    .await;
    let world = super::world_of(H2C, "", &text.replace("{target}", &target.url)).await;
    let mut caller = http2_caller(&world).await;
    let (response, mut body) = caller.send_request(http2_request(&world, "POST", &world.token()), false).unwrap();
    body.send_data(bytes::Bytes::from_static(b"some"), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 504);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_slow_callers_do_not_slow_others_down() {
    let world = world(PLAIN, "limits: {header_timeout: 1h}").await;
    let address = world.proxy.address().to_owned();
    let dripping = at_once(1000, move |_| {
        let address = address.clone();
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /orders/1 HTTP/1.1\r\nX-Slow: a").await.unwrap();
            stream
        }
    })
    .await;
    eventually("all are open", async || metric(&world, "obo_proxy_connections", "").await >= 1000).await;
    serves(&world, 20).await;
    drop(dripping);
    eventually("none is open", async || metric(&world, "obo_proxy_connections", "").await == 0).await;
}

async fn serves(world: &World, requests: usize) {
    let token = world.token();
    for _ in 0..requests {
        assert_eq!(world.get("/orders/1", &token).await.status, 200);
    }
}
