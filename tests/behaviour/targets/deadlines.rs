//! Deadlines: what a caller gets, what the log says, and that nothing is sent again because of them.

use std::time::Duration;

use tokio::net::TcpListener;

use super::{hanging, route};
use crate::support::World;
use crate::support::log::access_line;
use crate::support::tls::Authority;
use crate::support::wire::WireTarget;

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
    for (settings, deadline) in [("read_timeout: 200ms", "read_timeout"), ("timeout: 200ms", "timeout")] {
        let target = hanging().await;
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
        while !wire.is_gone().await {
            wire.write("1\r\nx\r\n").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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
