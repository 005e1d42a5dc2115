//! Bodies on their way: framings, trailers, interim answers, events that arrive before the end, old callers, and ends
//! that must not look like ends.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::support::wire::{End, Message, Wire, WireTarget, request};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

/// What a caller sees of this answer, after which the target closes the connection.
async fn relayed(answer: &[u8]) -> Message {
    let target = WireTarget::answering_once(answer).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.ask(request("GET", "/t/x", &world.token(), "")).await
}

/// What an HTTP/1.0 caller sees of this answer.
async fn relayed_to_old_caller(answer: &[u8], lines: &str) -> (Message, bool) {
    let target = WireTarget::answering(&[answer]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let request = request("GET", "/t/x", &world.token(), lines).replace("HTTP/1.1", "HTTP/1.0");
    let answer = caller.ask(request).await;
    (answer, caller.is_closed().await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_with_a_length_arrives_whole() {
    let answer = relayed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!((answer.text().as_str(), answer.end), ("hello", End::Length));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_arrives_whole() {
    let answer =
        relayed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n").await;
    assert_eq!((answer.text().as_str(), answer.end), ("hello", End::Chunked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_with_the_connection_arrives_whole() {
    let answer = relayed(b"HTTP/1.1 200 OK\r\n\r\nhello").await;
    assert_eq!(answer.text(), "hello");
    assert_ne!(answer.end, End::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_an_old_target_arrives_whole() {
    let answer = relayed(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"));
    assert_ne!(answer.end, End::Broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_cut_short_of_its_length_does_not_look_complete() {
    let answer = relayed(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello").await;
    assert_eq!((answer.status(), answer.end), (200, End::Broken));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_cut_short_does_not_look_complete() {
    let answer = relayed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    assert_eq!((answer.status(), answer.end), (200, End::Broken));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_leaves_within_its_header_section_gives_502() {
    let answer = relayed(b"HTTP/1.1 200 OK\r\nContent-Le").await;
    assert_eq!((answer.status(), answer.code().as_str()), (502, "target_unavailable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interim_answer_arrives_before_the_final_one() {
    let target = WireTarget::answering(&[b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n\
                                         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]);
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let hints = caller.ask(request("GET", "/t/x", &world.token(), "")).await;
    assert_eq!((hints.status(), hints.header("link").as_str()), (103, "</s.css>; rel=preload"));
    let answer = caller.read_response().await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_expects_100_gets_it_and_then_sends_its_body() {
    let target = WireTarget::start(|mut wire, _| async move {
        let head = String::from_utf8(wire.read_head().await.unwrap()).unwrap();
        assert!(head.to_ascii_lowercase().contains("expect: 100-continue"), "{head}");
        wire.write("HTTP/1.1 100 Continue\r\n\r\n").await;
        let body = wire.read_through(b"the body").await.unwrap();
        assert_eq!(body, b"the body");
        wire.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let lines = "Content-Length: 8\r\nExpect: 100-continue\r\n";
    assert_eq!(caller.ask(request("POST", "/t/x", &world.token(), lines)).await.status(), 100);
    let answer = caller.ask("the body").await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.header("connection"), "keep-alive");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_expects_100_and_is_refused_need_not_send_its_body() {
    let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let lines = "Content-Length: 8\r\nExpect: 100-continue\r\n";
    let answer = caller.ask(request("POST", "/t/x", "junk", lines)).await;
    assert_eq!((answer.status(), target.requests()), (401, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_arrives_before_the_next_is_sent() {
    let arrived = Arc::new(Notify::new());
    let next = Arc::clone(&arrived);
    let target = WireTarget::start(move |mut wire, _| {
        let next = Arc::clone(&next);
        async move {
            wire.read_request().await;
            wire.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await;
            for number in 1..=3 {
                wire.write(format!("9\r\ndata: {number}\n\n\r\n")).await;
                next.notified().await;
            }
            wire.write("0\r\n\r\n").await;
        }
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("GET", "/t/sse", &world.token(), "Accept: text/event-stream\r\n")).await;
    for number in 1..=3 {
        let event = caller.read_through(format!("data: {number}\n\n").as_bytes()).await;
        assert!(event.is_some(), "event {number} did not arrive");
        arrived.notify_one();
    }
    assert!(caller.read_through(b"0\r\n\r\n").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_piece_of_an_upload_arrives_before_the_next_is_sent() {
    let arrived = Arc::new(Notify::new());
    let seen = Arc::clone(&arrived);
    let target = WireTarget::start(move |mut wire, _| {
        let seen = Arc::clone(&seen);
        async move {
            wire.read_head().await;
            for piece in ["one", "two", "three"] {
                wire.read_through(piece.as_bytes()).await.unwrap();
                seen.notify_one();
            }
            wire.read_through(b"0\r\n\r\n").await.unwrap();
            wire.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let target = target.await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("POST", "/t/x", &world.token(), "Transfer-Encoding: chunked\r\n")).await;
    for piece in ["one", "two", "three"] {
        caller.write(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        arrived.notified().await;
    }
    assert_eq!(caller.ask("0\r\n\r\n").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_gets_no_chunks() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let (answer, closed) = relayed_to_old_caller(chunked, "").await;
    assert_eq!((answer.status(), answer.text().as_str(), answer.end), (200, "hello", End::Closed));
    assert!(closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_that_keeps_its_connection_gets_no_chunks_either() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let (answer, closed) = relayed_to_old_caller(chunked, "Connection: keep-alive\r\n").await;
    assert_eq!((answer.status(), answer.text().as_str(), answer.end), (200, "hello", End::Closed));
    assert!(closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_gets_a_length_where_there_is_one() {
    let (answer, closed) = relayed_to_old_caller(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "").await;
    assert_eq!((answer.text().as_str(), answer.end, closed), ("hello", End::Length, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_can_read_a_refusal() {
    let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask("GET /t/x HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.status(), answer.code().as_str(), answer.end), (401, "missing_token", End::Length));
    assert!(caller.is_closed().await);
    assert_eq!(target.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_a_chunked_answer_do_not_spoil_it() {
    let answer = relayed(
        b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    )
    .await;
    assert_eq!((answer.text().as_str(), answer.end), ("hello", End::Chunked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_upload_with_trailers_does_not_spoil_what_follows() {
    let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    let upload =
        request("POST", "/t/x", &token, "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
    assert_eq!(caller.ask(upload).await.status(), 200);
    let mut caller = Wire::connect(world.proxy.address()).await;
    assert_eq!(caller.ask(request("GET", "/t/x", &token, "")).await.status(), 200);
    assert_eq!(target.requests(), 2);
}
