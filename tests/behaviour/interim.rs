//! Interim answers, and callers that keep their body back until they are told to go on (RFC 9110 section 10.1.1).

use http::{Request, Response, Version};

use crate::support::World;
use crate::support::http2::{self, Http2Target};
use crate::support::tls::{Authority, TlsProxy};
use crate::support::wire::{End, Wire, WireTarget, request};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

const EXPECTING: &str = "Content-Length: 8\r\nExpect: 100-continue\r\n";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_caller_gets_its_answer_at_once_and_then_the_end_of_the_connection() {
    let target = WireTarget::answering(&[OK]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    for (path, token, status) in [("/t/x", "junk", 401), ("/none", &*token, 404), ("/t/x/../y", &*token, 400)] {
        let mut caller = Wire::connect(world.proxy.address()).await;
        let answer = caller.ask(request("POST", path, token, EXPECTING)).await;
        assert_eq!((answer.status(), answer.end), (status, End::Length), "{path}");
        assert_eq!(answer.header("connection"), "close");
        assert!(caller.is_closed().await);
    }
    assert_eq!((target.requests(), world.token_requests()), (0, 0));
}

/// Whether a body follows is the caller's choice, so that what follows must not be taken for the next request.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_refusal_is_not_taken_for_another_request() {
    let target = WireTarget::answering(&[OK]).await;
    let world = target.world(ROUTES).await;
    let next = request("GET", "/t/x", &world.token(), "");
    for length in [8, next.len(), 100_000] {
        let mut caller = Wire::connect(world.proxy.address()).await;
        let lines = format!("Content-Length: {length}\r\nExpect: 100-continue\r\n");
        assert_eq!(caller.ask(request("POST", "/t/x", "junk", &lines)).await.status(), 401);
        caller.write(&next).await;
        assert!(caller.is_closed().await, "{length}");
    }
    assert_eq!(target.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_caller_that_sends_its_body_all_the_same_can_read_the_answer() {
    let target = WireTarget::answering(&[OK]).await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let lines = "Content-Length: 3000000\r\nExpect: 100-continue\r\n";
    let answer = caller.ask(request("POST", "/t/x", "junk", lines) + &"b".repeat(3_000_000)).await;
    assert_eq!((answer.status(), answer.end), (401, End::Length));
    assert!(caller.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_wants_no_body_is_believed() {
    let target = WireTarget::start(|mut wire, _| async move {
        while let Some(head) = wire.read_head().await {
            assert!(String::from_utf8(head).unwrap().to_ascii_lowercase().contains("expect: 100-continue"));
            wire.write("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno").await;
        }
    })
    .await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("POST", "/t/x", &world.token(), EXPECTING)).await;
    assert_eq!((answer.status(), answer.text().as_str(), answer.header("connection").as_str()), (417, "no", "close"));
    assert!(caller.is_closed().await);
    let line = "obo_proxy_requests_total{code=\"\",route=\"wire\",status=\"417\"}";
    crate::support::eventually("it is no failure", async || world.proxy.metric(line).await > 0.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_waits_for_a_target_of_http2_is_told_to_go_on() {
    let target = Http2Target::streams(|request, mut respond| async move {
        assert!(!request.headers().contains_key("expect"));
        let body = http2::read(&mut request.into_body()).await.unwrap();
        http2::answer(&mut respond, Response::new(()), body);
    })
    .await;
    let world = World::with_routes(&target.route()).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..2 {
        let interim = caller.ask(request("POST", "/t/x", &world.token(), EXPECTING)).await;
        assert_eq!((interim.status(), interim.names()), (100, Vec::<String>::new()));
        let answer = caller.ask("the body").await;
        assert_eq!((answer.status(), answer.text().as_str()), (200, "the body"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_interim_answers_arrive_in_their_order() {
    let target = WireTarget::start(|mut wire, _| async move {
        wire.read_head().await;
        wire.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").await;
        wire.read_through(b"the body").await.unwrap();
        wire.write("HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n").await;
        wire.write(OK).await;
    })
    .await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let first = caller.ask(request("POST", "/t/x", &world.token(), EXPECTING)).await;
    assert_eq!((first.status(), first.header("link").as_str()), (103, "</a>"));
    assert_eq!(caller.read_response().await.status(), 100);
    let second = caller.ask("the body").await;
    assert_eq!((second.status(), second.header("link").as_str()), (103, "</b>"));
    assert_eq!(caller.read_response().await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_know_no_interim_answers_get_none() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
                   HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let target = WireTarget::answering(&[answer]).await;
    let world = target.world(ROUTES).await;
    let old = request("POST", "/t/x", &world.token(), EXPECTING).replace("HTTP/1.1", "HTTP/1.0") + "the body";
    let answer = Wire::connect(world.proxy.address()).await.ask(old).await;
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    let authority = Authority::new();
    let proxy = TlsProxy::start(&world, &authority, None, &ROUTES.replace("{target}", &target.url)).await;
    let get = Request::get(format!("{}/t/x", proxy.url)).version(Version::HTTP_2);
    let get = get.header("authorization", format!("Bearer {}", world.token()));
    let answer = http2::ask(&mut authority.http2_caller(&proxy).await, get, "").await;
    assert_eq!((answer.status, answer.body.as_deref()), (200, Some(&b"ok"[..])));
}
