//! What is sent again and what is not, counted by a target that takes each request and then breaks off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::Reason;
use http::{Method, Request, Response};

use super::{OK, breaking, route, well};
use crate::support::World;
use crate::support::tls::{Authority, TlsTarget};
use crate::support::wire::WireTarget;

/// The status of a request, and how many times the target saw it.
async fn sent(target: &WireTarget, settings: &str, method: Method, body: &str) -> (u16, usize) {
    let world = World::with_routes(&route(&format!("url: '{}'{settings}", target.url))).await;
    let authorization = format!("Bearer {}", world.token());
    let reply = world.send(method, "/t", &[("authorization", &authorization)], body).await;
    (reply.status.as_u16(), target.requests())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_is_sent_once_and_a_get_as_often_as_retries_allow() {
    for (method, settings, expected) in [
        (Method::POST, "", 1),
        (Method::POST, ", retries: 5", 1),
        (Method::PATCH, ", retries: 5", 1),
        (Method::GET, ", retries: 0", 1),
        (Method::GET, "", 2),
        (Method::GET, ", retries: 3", 4),
        (Method::PUT, "", 2),
        (Method::DELETE, "", 2),
    ] {
        let target = breaking().await;
        assert_eq!(sent(&target, settings, method.clone(), "x").await, (502, expected), "{method} {settings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_sent_again_whole_or_not_at_all() {
    let target = WireTarget::start(|mut wire, turn| async move {
        while let Some(request) = wire.read_request().await {
            if turn == 0 {
                return;
            }
            wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{:05}", request.body.len())).await;
        }
    })
    .await;
    let world = World::with_routes(&route(&format!("url: '{}'", target.url))).await;
    let authorization = format!("Bearer {}", world.token());
    let reply = world.send(Method::PUT, "/t", &[("authorization", &authorization)], &"b".repeat(60_000)).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str(), target.requests()), (200, "60000", 2));
    let large = breaking().await;
    assert_eq!(sent(&large, "", Method::PUT, &"b".repeat(70_000)).await, (502, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_has_begun_is_not_asked_for_again() {
    let target = WireTarget::answering_once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    let world = World::with_routes(&route(&format!("url: '{}', retries: 5", target.url))).await;
    let response = crate::support::client().get(format!("{}/t", world.proxy.url)).bearer_auth(world.token());
    let response = response.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    assert_eq!(target.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_goes_to_another_endpoint() {
    let (bad, good) = (breaking().await, well().await);
    let settings = format!("url: '{}', endpoints: ['{}']", bad.url, good.url);
    let world = World::with_routes(&route(&settings)).await;
    let token = world.token();
    for _ in 0..8 {
        assert_eq!(world.get("/t", &token).await.status, 200);
    }
    assert_eq!((bad.requests(), good.requests()), (4, 8));
    let retries = format!("obo_proxy_target_retries_total{{target=\"{}\"}}", bad.url);
    assert_eq!(world.proxy.metric(&retries).await.to_string(), "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_does_not_use_a_connection_of_the_pool() {
    // Two connections get into the pool; both take one more request each and break off.
    let target = WireTarget::start(|mut wire, turn| async move {
        let mut served = 0;
        while wire.read_request().await.is_some() {
            if turn < 2 && served == 1 {
                return;
            }
            served += 1;
            if turn < 2 {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            wire.write(OK).await;
        }
    })
    .await;
    let world = World::with_routes(&route(&format!("url: '{}'", target.url))).await;
    let token = world.token();
    let (one, other) = tokio::join!(world.get("/t", &token), world.get("/t", &token));
    assert_eq!((one.status.as_u16(), other.status.as_u16(), target.connections()), (200, 200, 2));
    assert_eq!(world.get("/t", &token).await.status, 200);
    assert_eq!((target.requests(), target.connections()), (4, 3));
}

/// Answers a request once it is there to its end.
async fn answer(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let mut body = request.into_body();
    while body.data().await.is_some() {}
    respond.send_response(Response::new(()), true).unwrap();
}

/// An HTTP/2 target that refuses the first stream in this way, and answers the others.
async fn refusing(authority: &Authority, reason: Reason) -> TlsTarget {
    let config = authority.server_config("localhost", b"h2");
    TlsTarget::start(config, move |stream, log| async move {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            let is_first = log.lock().unwrap().is_empty();
            log.lock().unwrap().push(request.headers().clone());
            if is_first {
                respond.send_reset(reason);
            } else {
                tokio::spawn(answer(request, respond));
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_an_http2_target_has_not_touched_is_sent_again_and_one_that_it_may_have_is_not() {
    for (reason, expected) in [(Reason::REFUSED_STREAM, (200, 2)), (Reason::INTERNAL_ERROR, (502, 1))] {
        let authority = Authority::new();
        let target = refusing(&authority, reason).await;
        let settings = format!("url: '{}', http2: true, retries: 0, ca_file: '{}'", target.url, authority.file());
        let world = World::with_routes(&route(&settings)).await;
        let authorization = format!("Bearer {}", world.token());
        let reply = world.send(Method::POST, "/t", &[("authorization", &authorization)], "x").await;
        assert_eq!((reply.status.as_u16(), target.requests().len()), expected, "{reason:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_on_a_connection_that_an_http2_target_is_about_to_close_is_sent_on_another_one() {
    let authority = Authority::new();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let target = TlsTarget::start(authority.server_config("localhost", b"h2"), move |stream, log| {
        let turn = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            // The socket stays open for whatever the proxy still sends: a reset would overtake the farewell.
            let (near, mut far) = tokio::io::duplex(64 * 1024);
            let mut stream = stream;
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut far).await });
            let Ok(mut connection) = h2::server::handshake(near).await else { return };
            if turn == 0 {
                // GOAWAY before any stream: whatever is sent here has not been touched.
                connection.abrupt_shutdown(Reason::NO_ERROR);
            }
            while let Some(Ok((request, respond))) = connection.accept().await {
                log.lock().unwrap().push(request.headers().clone());
                tokio::spawn(answer(request, respond));
            }
        }
    })
    .await;
    let settings = format!("url: '{}', http2: true, retries: 0, ca_file: '{}'", target.url, authority.file());
    let world = World::with_routes(&route(&settings)).await;
    let authorization = format!("Bearer {}", world.token());
    let reply = world.send(Method::POST, "/t", &[("authorization", &authorization)], "x").await;
    assert_eq!((reply.status.as_u16(), target.requests().len()), (200, 1));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
