//! A target that sends more than the answer it was asked for: nobody else ever gets it.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{ROUTES, ask, keep_secret};
use crate::support::faulty::{Deed, FaultyTarget, Then, echo};
use crate::support::wire::{Wire, WireTarget, request};

const STRAY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Evil: 1\r\n\r\nevil";

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_an_answer_reach_nobody() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let trailed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n";
    let target = FaultyTarget::start().await;
    let world = target.wire.world(ROUTES).await;
    let (alice, bob) = (world.token_of("alice"), world.token_of("bob"));
    for (name, method, answer, status) in [
        ("a body with a length", "GET", ok.to_owned(), 200),
        ("a body in chunks", "GET", chunked.to_owned(), 200),
        ("trailers", "GET", trailed.to_owned(), 200),
        ("an answer to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_owned(), 200),
        ("204", "GET", "HTTP/1.1 204 No Content\r\n\r\n".to_owned(), 204),
        ("304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n".to_owned(), 304),
        ("an empty body", "GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(), 404),
        ("an answer to POST", "POST", ok.to_owned(), 200),
    ] {
        for stray in [STRAY, "x", "\r\n", "HTTP/1.1 100 Continue\r\n\r\n", &STRAY.repeat(1000)] {
            target.misbehave(Deed::new(format!("{answer}{stray}"), Then::Stay));
            let mut caller = Wire::connect(world.proxy.address()).await;
            caller.write(request(method, "/t/alice", &alice, "Content-Length: 0\r\n")).await;
            let head = String::from_utf8(caller.read_head().await.expect("an answer")).unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {head}");
            target.behave();
            for _ in 0..3 {
                let answer = ask(&world, "GET", "/t/bob", &bob, "").await;
                assert_eq!((answer.status(), answer.text().as_str()), (200, "/bob bob"), "behind {name}");
            }
        }
    }
    keep_secret(&world, &target.wire);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_ends_the_connection_that_waits() {
    let (answered, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (now, over) = (Arc::clone(&answered), Arc::clone(&ended));
    let target = WireTarget::start(move |mut wire, turn| {
        let (now, over) = (Arc::clone(&now), Arc::clone(&over));
        async move {
            while let Some(request) = wire.read_request().await {
                wire.write(echo(&request)).await;
                if turn == 0 {
                    now.notified().await;
                    wire.write(STRAY).await;
                    assert!(wire.is_closed().await, "the connection was used again");
                    over.notify_one();
                    return;
                }
            }
        }
    })
    .await;
    let world = target.world(ROUTES).await;
    let (alice, bob) = (world.token_of("alice"), world.token_of("bob"));
    assert_eq!(ask(&world, "GET", "/t/a", &alice, "").await.text(), "/a alice");
    answered.notify_one();
    ended.notified().await;
    for _ in 0..3 {
        assert_eq!(ask(&world, "GET", "/t/b", &bob, "").await.text(), "/b bob");
    }
    assert_eq!(target.requests(), 4);
}
