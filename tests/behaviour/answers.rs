//! What answers say of themselves, whose length can be believed, answers that come early and streams that do not end,
//! and what callers of HTTP/1.0 get.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Version};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::World;
use crate::support::http2::{self, Http2Target};
use crate::support::tls::{Authority, TlsProxy, TlsTarget};
use crate::support::wire::{End, Message, Wire, WireTarget, request};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: hosted, path: /hosted, hosts: [api.example], target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

async fn ask(world: &World, method: &str, path: &str, lines: &str) -> Message {
    Wire::connect(world.proxy.address()).await.ask(request(method, path, &world.token(), lines)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_has_the_date_of_the_proxy_and_the_server_of_the_target() {
    let target = WireTarget::answering(&[
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: inner/1\r\nVia: 1.1 inner\r\nAge: 5\r\n\
          Content-Length: 0\r\n\r\n",
    ])
    .await;
    let world = target.world(ROUTES).await;
    let answer = ask(&world, "GET", "/t/x", "Via: 1.0 outer\r\n").await;
    let date = httpdate::parse_http_date(&answer.header("date")).unwrap();
    assert!(date.elapsed().is_ok_and(|age| age < Duration::from_mins(1)), "{date:?}");
    assert_eq!((answer.header("server").as_str(), answer.header("via").as_str()), ("inner/1", "1.1 inner"));
    assert_eq!(answer.header("age"), "5");
    assert_eq!(target.only_request().header("via"), "1.0 outer");
    let refused = Wire::connect(world.proxy.address()).await.ask(request("GET", "/t/x", "junk", "")).await;
    let mut names = refused.names();
    names.sort();
    let own = ["access-control-expose-headers", "cache-control", "connection", "content-length", "content-type"];
    assert_eq!(names, [&own[..], &["date", "www-authenticate", "x-request-id"]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_added_of_which_way_a_message_took() {
    let target = WireTarget::answering(&[OK]).await;
    let world = target.world(ROUTES).await;
    let answer = ask(&world, "GET", "/t/x", "").await;
    for names in [answer.names(), target.only_request().names()] {
        assert!(!names.iter().any(|name| ["via", "server", "forwarded"].contains(&&**name)), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_sends_beyond_its_length_reaches_nobody() {
    let surplus = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let target = WireTarget::answering(&[surplus]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..10 {
        let answer = caller.ask(request("GET", "/t/x", &token, "")).await;
        assert_eq!((answer.text().as_str(), answer.end), ("hello", End::Length));
    }
    assert_eq!((target.requests(), target.connections()), (10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_tls_does_not_close_is_not_taken_for_a_whole_one() {
    let targets = Authority::new();
    let target = TlsTarget::wire(&targets, |mut wire| async move {
        wire.read_request().await;
        wire.write("HTTP/1.1 200 OK\r\n\r\nhalf of it").await;
        // The connection below ends, and not what is said over it.
        let _ = wire.stream.get_mut().0.shutdown().await;
    })
    .await;
    let settings = format!("{{url: '{}', ca_file: '{}'}}", target.url, targets.file());
    let world = World::with_routes(&ROUTES.replace("'{target}'", &settings)).await;
    let answer = ask(&world, "GET", "/t/x", "").await;
    assert_eq!((answer.status(), answer.end), (200, End::Broken));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_answer_does_not_look_complete_to_a_caller_of_http2() {
    let answers: [&[u8]; 2] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ];
    for answer in answers {
        let target = WireTarget::answering_once(answer).await;
        let world = target.world(ROUTES).await;
        let authority = Authority::new();
        let proxy = TlsProxy::start(&world, &authority, None, &ROUTES.replace("{target}", &target.url)).await;
        let get = Request::get(format!("{}/t/x", proxy.url)).version(Version::HTTP_2);
        let get = get.header("authorization", format!("Bearer {}", world.token()));
        let answer = http2::ask(&mut authority.http2_caller(&proxy).await, get, "").await;
        assert_eq!((answer.status, answer.body), (200, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_have_none_in_any_version() {
    let target = Http2Target::streams(|request, mut respond| async move {
        let status = request.uri().path().trim_start_matches('/').parse().unwrap_or(200);
        let response = Response::builder().status(status);
        let response = if status == 204 { response } else { response.header("content-length", 1234) };
        http2::answer(&mut respond, response.body(()).unwrap(), "");
    })
    .await;
    let world = World::with_routes(&target.route()).await;
    let authority = Authority::new();
    let proxy = TlsProxy::start(&world, &authority, None, &target.route()).await;
    let (token, mut plain) = (world.token(), Wire::connect(world.proxy.address()).await);
    for (method, path, status) in [("HEAD", "/t/x", 200), ("GET", "/t/204", 204), ("GET", "/t/304", 304)] {
        plain.write(request(method, path, &token, "")).await;
        let head = String::from_utf8(plain.read_head().await.unwrap()).unwrap().to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")) && !head.contains("transfer-encoding"), "{head}");
        assert_eq!(head.contains("content-length: 1234"), status != 204, "{head}");
        let request = Request::builder().method(method).uri(format!("{}{path}", proxy.url)).version(Version::HTTP_2);
        let request = request.header("authorization", format!("Bearer {token}"));
        let answer = http2::ask(&mut authority.http2_caller(&proxy).await, request, "").await;
        assert_eq!((answer.status, answer.body), (status, Some(Vec::new())));
        assert_eq!(answer.headers.contains_key("content-length"), status != 204);
    }
    assert_eq!(target.stream_count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_arrives_while_the_upload_goes_on() {
    let answered = Arc::new(Notify::new());
    let seen = Arc::clone(&answered);
    let target = WireTarget::start(move |mut wire, _| {
        let seen = Arc::clone(&seen);
        async move {
            wire.read_head().await;
            wire.write("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").await;
            seen.notified().await;
        }
    })
    .await;
    let world = target.world(ROUTES).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    let answer = caller.ask(request("POST", "/t/x", &world.token(), "Content-Length: 90000000\r\n") + "begun").await;
    assert_eq!((answer.status(), answer.text().as_str(), answer.header("connection").as_str()), (413, "no", "close"));
    answered.notify_one();
    // The upload ends when the target is gone.
    let piece = vec![b'b'; 65_536];
    while caller.stream.write_all(&piece).await.is_ok() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_in_odd_chunks_arrives_whole() {
    let target = WireTarget::start(|mut wire, _| async move {
        while let Some(request) = wire.read_request().await {
            wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len())).await;
            wire.write(request.body).await;
        }
    })
    .await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    let chunks = "00000A\r\n0123456789\r\n1\r\na\r\n1;x=y\r\nb\r\n0b\r\nhello world\r\n000\r\n\r\n";
    for size in [1, 2, 7, chunks.len()] {
        let mut caller = Wire::connect(world.proxy.address()).await;
        caller.write(request("POST", "/t/x", &token, "Transfer-Encoding: chunked\r\n")).await;
        for piece in chunks.as_bytes().chunks(size) {
            caller.write(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(caller.read_response().await.text(), "0123456789abhello world", "{size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_may_keep_its_connection() {
    let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await;
    let world = target.world(ROUTES).await;
    let keep = request("GET", "/t/x", &world.token(), "Connection: keep-alive\r\n").replace("HTTP/1.1", "HTTP/1.0");
    let mut caller = Wire::connect(world.proxy.address()).await;
    for _ in 0..3 {
        let answer = caller.ask(&keep).await;
        assert_eq!((answer.text().as_str(), answer.header("connection").as_str()), ("ok", "keep-alive"));
    }
    let answer = caller.ask(keep.replace("Connection: keep-alive\r\n", "")).await;
    assert_eq!((answer.text().as_str(), answer.header("connection").as_str()), ("ok", "close"));
    assert!(caller.is_closed().await);
    assert_eq!(target.requests(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_without_a_host_gets_the_routes_of_every_host() {
    let target = WireTarget::answering(&[OK]).await;
    let world = target.world(ROUTES).await;
    let token = world.token();
    for (path, status) in [("/t/x", 200), ("/hosted/x", 404)] {
        let old = format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
        assert_eq!(Wire::connect(world.proxy.address()).await.ask(old).await.status(), status, "{path}");
    }
    let seen = target.only_request();
    assert_eq!(seen.start_line(), "GET /x HTTP/1.1");
    assert_eq!(seen.header("host"), target.url.trim_start_matches("http://"));
    assert_eq!(seen.header("x-forwarded-host"), "");
}

/// Sends an event, and the next one each time it is told to; notes when the connection has ended.
async fn event_target(next: Arc<Notify>, ended: Arc<Notify>) -> WireTarget {
    WireTarget::start(move |mut wire, _| {
        let (next, ended) = (Arc::clone(&next), Arc::clone(&ended));
        async move {
            let head = String::from_utf8(wire.read_head().await.unwrap()).unwrap().to_ascii_lowercase();
            assert!(head.contains("last-event-id: 41\r\n") && head.contains("accept: text/event-stream\r\n"), "{head}");
            wire.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                .await;
            for number in 42.. {
                wire.write(format!("a\r\ndata: {number}\n\n\r\n")).await;
                tokio::select! {
                    () = next.notified() => {}
                    closed = wire.is_closed() => {
                        assert!(closed);
                        return ended.notify_one();
                    }
                }
            }
        }
    })
    .await
}

const EVENTS: &str = "Accept: text/event-stream\r\nLast-Event-ID: 41\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn events_go_on_for_longer_than_any_time_out_but_the_silence() {
    let (next, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let target = event_target(Arc::clone(&next), Arc::clone(&ended)).await;
    let all = "{url: '{target}', connect_timeout: 2s, read_timeout: 2s, write_timeout: 2s}";
    let world = target.world(&ROUTES.replace("'{target}'", all)).await;
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("GET", "/t/events", &world.token(), EVENTS)).await;
    for number in 42..54 {
        let event = caller.read_through(format!("data: {number}\n\n").as_bytes()).await;
        assert!(event.is_some(), "event {number} did not arrive");
        tokio::time::sleep(Duration::from_millis(250)).await;
        next.notify_one();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_end_at_the_target_when_the_caller_leaves() {
    let (next, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let target = event_target(Arc::clone(&next), Arc::clone(&ended)).await;
    let world = target.world(ROUTES).await;
    let authority = Authority::new();
    let proxy = TlsProxy::start(&world, &authority, None, &ROUTES.replace("{target}", &target.url)).await;
    let token = world.token();
    let told = || async { timeout(Duration::from_secs(10), ended.notified()).await.expect("the target hears of it") };
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(request("GET", "/t/events", &token, EVENTS)).await;
    caller.read_through(b"data: 42\n\n").await.unwrap();
    drop(caller);
    told().await;
    let mut caller = authority.http1_caller(&proxy).await;
    caller.write(request("GET", "/t/events", &token, EVENTS)).await;
    caller.read_through(b"data: 42\n\n").await.unwrap();
    drop(caller);
    told().await;
    let get = Request::get(format!("{}/t/events", proxy.url)).version(Version::HTTP_2);
    let get = get.header("authorization", format!("Bearer {token}")).header("accept", "text/event-stream");
    let mut caller = authority.http2_caller(&proxy).await;
    let (response, _) = caller.send_request(get.header("last-event-id", 41).body(()).unwrap(), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "data: 42\n\n");
    drop(body);
    told().await;
}
