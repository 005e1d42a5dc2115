//! HTTP/2 on either side of the proxy and on both: every combination with HTTP/1.1, many streams at once, targets that
//! say goodbye or reset a stream, callers that read slowly or leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::support::http2::{self, Answer, Http2Target};
use crate::support::tls::{Authority, TlsProxy, TlsTarget};
use crate::support::wire::{End, Wire, WireTarget, request};
use crate::support::{World, at_once, eventually};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A world whose proxy speaks TLS as well, and what a caller needs for it.
struct Scene {
    world: World,
    authority: Authority,
    proxy: TlsProxy,
    token: String,
}

impl Scene {
    async fn start(routes: &str) -> Self {
        let (world, authority) = (World::with_routes(routes).await, Authority::new());
        let proxy = TlsProxy::start(&world, &authority, None, routes).await;
        let token = world.token();
        Self { world, authority, proxy, token }
    }

    async fn caller(&self) -> h2::client::SendRequest<Bytes> {
        self.authority.http2_caller(&self.proxy).await
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let builder = Request::builder().method(method).uri(format!("{}{path}", self.proxy.url));
        builder.version(Version::HTTP_2).header("authorization", format!("Bearer {}", self.token))
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        http2::ask(&mut self.caller().await, self.request(method, path), body.to_owned()).await
    }

    /// The same as a caller of HTTP/1.1.
    async fn ask_plainly(&self, method: &str, path: &str, body: &str) -> crate::support::wire::Message {
        let head = request(method, path, &self.token, &format!("Content-Length: {}\r\n", body.len()));
        Wire::connect(self.world.proxy.address()).await.ask(head + body).await
    }
}

fn ok() -> http::response::Builder {
    Response::builder().status(200)
}

fn grpc() -> Response<()> {
    ok().header("content-type", "application/grpc").body(()).unwrap()
}

/// Answers each stream with the body it got.
async fn echoing_target() -> Http2Target {
    Http2Target::streams(|request, mut respond| async move {
        let method = request.method().to_string();
        let Some(body) = http2::read(&mut request.into_body()).await else { return };
        let response = ok().header("x-method", method).body(()).unwrap();
        let Ok(mut stream) = respond.send_response(response, body.is_empty()) else { return };
        http2::write(&mut stream, body.into(), true).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_of_versions_relays_bodies_whole() {
    let targets = Authority::new();
    let plain1 = WireTarget::start(|mut wire, _| async move {
        while let Some(request) = wire.read_request().await {
            wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len())).await;
            wire.write(request.body).await;
        }
    })
    .await;
    let plain2 = echoing_target().await;
    let tls1 = TlsTarget::wire(&targets, |mut wire| async move {
        while let Some(request) = wire.read_request().await {
            wire.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.body.len())).await;
            wire.write(request.body).await;
        }
    })
    .await;
    let tls2 = TlsTarget::http2(&targets).await;
    let ca = format!("ca_file: '{}'", targets.file());
    let target = |path: &str, settings: String| {
        format!("\n  - {{path: /{path}, target: {{{settings}}}, scopes: [api://orders-backend/Orders.Read]}}")
    };
    let routes = [
        target("plain1", format!("url: '{}'", plain1.url)),
        target("plain2", format!("url: '{}', http2: true", plain2.url)),
        target("tls1", format!("url: '{}', {ca}", tls1.url)),
        target("tls2", format!("url: '{}', http2: true, {ca}", tls2.url)),
    ];
    let scene = Scene::start(&routes.concat()).await;
    let h2c = http2::proxy(&scene.world, &routes.concat()).await;
    let body: String = (0..60_000).fold(String::new(), |body, number| body + &number.to_string() + ",");
    for path in ["/plain1", "/plain2", "/tls1", "/tls2"] {
        for body in [body.as_str(), "short", ""] {
            let answer = scene.ask_plainly("POST", path, body).await;
            assert!(answer.status() == 200 && answer.text() == body, "HTTP/1.1 to {path}: {}", answer.start_line());
            let mut tls = scene.authority.http1_caller(&scene.proxy).await;
            let head = request("POST", path, &scene.token, &format!("Content-Length: {}\r\n", body.len()));
            let answer = tls.ask(head + body).await;
            assert!(answer.status() == 200 && answer.text() == body, "TLS to {path}: {}", answer.start_line());
            let over_tls = scene.request("POST", path).body(()).unwrap();
            let without = Request::post(format!("{}{path}", h2c.url)).version(Version::HTTP_2);
            let without = without.header("authorization", format!("Bearer {}", scene.token)).body(()).unwrap();
            for (mut caller, request) in [(scene.caller().await, over_tls), (http2::caller(&h2c).await, without)] {
                let (response, mut stream) = caller.send_request(request, body.is_empty()).unwrap();
                let reading = tokio::spawn(http2::read_answer(response));
                http2::write(&mut stream, Bytes::from(body.to_owned()), true).await;
                let answer = reading.await.unwrap();
                assert!(answer.status == 200 && answer.body.as_deref() == Some(body.as_bytes()), "HTTP/2 to {path}");
            }
        }
    }
    assert_eq!((plain2.stream_count(), scene.world.token_requests()), (12, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_share_few_connections_and_keep_apart() {
    let target = echoing_target().await;
    let scene = Arc::new(Scene::start(&target.route()).await);
    for _ in 0..10 {
        assert_eq!(scene.ask("POST", "/t/x", "one").await.body.unwrap(), b"one");
    }
    // A caller may be quicker than the connection of the one before is put back.
    assert_eq!(target.stream_count(), 10);
    assert!(target.connection_count() <= 3, "{} connections", target.connection_count());
    let caller = scene.caller().await;
    let answers = at_once(90, |turn| {
        let (scene, mut caller) = (Arc::clone(&scene), caller.clone());
        async move {
            let body = format!("{turn}-").repeat(2_000);
            let (response, mut stream) =
                caller.send_request(scene.request("POST", "/t/x").body(()).unwrap(), false).unwrap();
            let reading = tokio::spawn(http2::read_answer(response));
            http2::write(&mut stream, body.clone().into(), true).await;
            reading.await.unwrap().body == Some(body.into_bytes())
        }
    })
    .await;
    assert!(answers.iter().all(|same| *same), "{answers:?}");
    assert_eq!(target.stream_count(), 100);
    assert!(target.connection_count() < 50, "{} connections", target.connection_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_says_goodbye_finishes_what_it_has_and_gets_no_more() {
    let target = Http2Target::connections(|mut connection, turn| async move {
        let mut streams = 0;
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            streams += 1;
            if turn == 0 && streams == 2 {
                connection.graceful_shutdown();
            }
            http2::answer(&mut respond, ok().header("x-connection", turn).body(()).unwrap(), "whole");
        }
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    let mut seen = Vec::new();
    // Each worker has connections of its own, and a caller stays with its worker.
    let mut caller = scene.caller().await;
    for _ in 0..6 {
        let answer = http2::ask(&mut caller, scene.request("POST", "/t/x"), "body".to_owned()).await;
        assert_eq!((answer.status, answer.body.as_deref()), (200, Some(&b"whole"[..])));
        seen.push(answer.headers["x-connection"].to_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["0", "0", "1", "1", "1", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_is_sent_again_whatever_its_method() {
    let turn = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&turn);
    let target = Http2Target::streams(move |request, mut respond| {
        let count = Arc::clone(&count);
        async move {
            if count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                return respond.send_reset(h2::Reason::REFUSED_STREAM);
            }
            let body = http2::read(&mut request.into_body()).await.unwrap();
            http2::answer(&mut respond, ok().body(()).unwrap(), body);
        }
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    for method in ["POST", "PUT"] {
        assert_eq!(scene.ask(method, "/t/x", "body").await.body.unwrap(), b"body");
        assert_eq!(scene.ask_plainly(method, "/t/x", "body").await.text(), "body");
    }
    assert_eq!((target.stream_count(), scene.world.token_requests()), (8, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_every_stream_is_given_up() {
    let target = Http2Target::streams(|_, mut respond| async move {
        respond.send_reset(h2::Reason::REFUSED_STREAM);
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    assert_eq!(scene.ask("POST", "/t/x", "body").await.status, 502);
    assert!((2..10).contains(&target.stream_count()), "{}", target.stream_count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_may_have_been_acted_on_is_not_sent_again() {
    for reason in [h2::Reason::INTERNAL_ERROR, h2::Reason::CANCEL, h2::Reason::PROTOCOL_ERROR] {
        let target = Http2Target::streams(move |_, mut respond| async move { respond.send_reset(reason) }).await;
        let scene = Scene::start(&target.route()).await;
        assert_eq!(scene.ask("POST", "/t/x", "body").await.status, 502, "{reason}");
        assert_eq!(scene.ask_plainly("POST", "/t/x", "body").await.code(), "target_unavailable");
        assert_eq!(target.stream_count(), 2, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_target_resets_does_not_look_complete() {
    let target = Http2Target::streams(|_, mut respond| async move {
        let mut stream = respond.send_response(ok().body(()).unwrap(), false).unwrap();
        http2::write(&mut stream, "half".into(), false).await;
        // The half is on its way once the stream has room again.
        stream.reserve_capacity(1);
        let _ = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        tokio::task::yield_now().await;
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    let answer = scene.ask_plainly("GET", "/t/x", "").await;
    assert!(answer.status() == 502 || answer.end == End::Broken, "{answer:?}");
    let (response, _) =
        scene.caller().await.send_request(scene.request("GET", "/t/x").body(()).unwrap(), true).unwrap();
    let answer = http2::read_answer(response).await;
    assert!(answer.status == 502 || answer.body.is_none(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_of_the_target_arrives_while_the_upload_goes_on() {
    // The server of the test resets the stream behind its answer, because nobody has read what is still to come.
    let target = Http2Target::streams(|request, mut respond| async move {
        drop(request);
        http2::answer(&mut respond, Response::builder().status(413).header("content-length", 0).body(()).unwrap(), "");
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    for _ in 0..20 {
        let mut caller = Wire::connect(scene.world.proxy.address()).await;
        let head = request("POST", "/t/x", &scene.token, "Content-Length: 100000\r\n");
        let answer = caller.ask(head + "the first bytes").await;
        assert_eq!((answer.status(), answer.end), (413, End::Length));
        let (response, mut stream) =
            scene.caller().await.send_request(scene.request("POST", "/t/x").body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::from_static(b"the first bytes"), false).unwrap();
        let answer = http2::read_answer(response).await;
        assert_eq!((answer.status, answer.body), (413, Some(Vec::new())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_read_holds_up_no_other_of_the_same_target() {
    let poured = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&poured);
    let target = Http2Target::streams(move |request, mut respond| {
        let count = Arc::clone(&count);
        async move {
            let mut stream = respond.send_response(ok().body(()).unwrap(), false).unwrap();
            if request.uri().path() == "/endless" {
                while http2::write(&mut stream, Bytes::from_static(&[b'o'; 16_384]), false).await {
                    count.fetch_add(16_384, Ordering::SeqCst);
                }
            } else {
                http2::write(&mut stream, vec![b's'; 1 << 20].into(), true).await;
            }
        }
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    let mut unread = Vec::new();
    for _ in 0..3 {
        let (response, _) =
            scene.caller().await.send_request(scene.request("GET", "/t/endless").body(()).unwrap(), true).unwrap();
        unread.push(response.await.unwrap());
    }
    let mut last = 0;
    eventually("the target is held back", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = poured.load(Ordering::SeqCst);
        std::mem::replace(&mut last, now) == now && now > 0
    })
    .await;
    for _ in 0..4 {
        let answer = timeout(Duration::from_secs(20), scene.ask("GET", "/t/short", "")).await.expect("not held up");
        assert_eq!(answer.body.map(|body| body.len()), Some(1 << 20));
    }
    assert!(last < 3 * (2 << 20), "{last} bytes were taken");
    assert!(target.connection_count() <= 2, "{} connections", target.connection_count());
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_the_stream_at_the_target() {
    let ended = Arc::new(Notify::new());
    let heard = Arc::clone(&ended);
    let target = Http2Target::streams(move |_, mut respond| {
        let heard = Arc::clone(&heard);
        async move {
            let mut stream = respond.send_response(ok().body(()).unwrap(), false).unwrap();
            http2::write(&mut stream, "data: 1\n\n".into(), false).await;
            let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            assert_eq!(reason.unwrap(), h2::Reason::CANCEL);
            heard.notify_one();
        }
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    let told = || async { timeout(Duration::from_secs(10), ended.notified()).await.expect("the target hears of it") };
    let mut plain = Wire::connect(scene.world.proxy.address()).await;
    plain.write(request("GET", "/t/x", &scene.token, "")).await;
    plain.read_through(b"data: 1").await.unwrap();
    drop(plain);
    told().await;
    let mut caller = scene.caller().await;
    let (response, mut stream) = caller.send_request(scene.request("POST", "/t/x").body(()).unwrap(), false).unwrap();
    let mut answer = response.await.unwrap().into_body();
    answer.data().await.unwrap().unwrap();
    stream.send_reset(h2::Reason::CANCEL);
    told().await;
    let (response, _) = caller.send_request(scene.request("GET", "/t/x").body(()).unwrap(), true).unwrap();
    let mut answer = response.await.unwrap().into_body();
    answer.data().await.unwrap().unwrap();
    drop((answer, caller, stream));
    told().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_resets_its_stream_ends_the_connection_to_a_target_of_http1() {
    let left = Arc::new(Notify::new());
    let heard = Arc::clone(&left);
    let target = WireTarget::start(move |mut wire, _| {
        let heard = Arc::clone(&heard);
        async move {
            wire.read_head().await;
            wire.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
            assert!(wire.is_closed().await);
            heard.notify_one();
        }
    })
    .await;
    let route = format!("\n  - {{path: /t, target: '{}', scopes: [api://orders-backend/Orders.Read]}}", target.url);
    let scene = Scene::start(&route).await;
    let mut caller = scene.caller().await;
    let (response, mut stream) = caller.send_request(scene.request("POST", "/t/x").body(()).unwrap(), false).unwrap();
    response.await.unwrap();
    stream.send_reset(h2::Reason::CANCEL);
    timeout(Duration::from_secs(10), left.notified()).await.expect("the target hears of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_between_http2_ends_and_are_announced_nowhere_else() {
    let target = Http2Target::streams(|_, mut respond| async move {
        let response = ok().header("trailer", "x-sum").body(()).unwrap();
        let mut stream = respond.send_response(response, false).unwrap();
        http2::write(&mut stream, "body".into(), false).await;
        stream.send_trailers(http::HeaderMap::from_iter([("x-sum".parse().unwrap(), "7".parse().unwrap())])).unwrap();
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    let answer = scene.ask("GET", "/t/x", "").await;
    assert_eq!((answer.headers["trailer"].as_bytes(), answer.trailers["x-sum"].as_bytes()), (&b"x-sum"[..], &b"7"[..]));
    let answer = scene.ask_plainly("GET", "/t/x", "").await;
    assert_eq!((answer.text().as_str(), answer.end, answer.header("trailer").as_str()), ("body", End::Chunked, ""));
    let old = WireTarget::answering(&[
        b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n",
    ])
    .await;
    let route = format!("\n  - {{path: /t, target: '{}', scopes: [api://orders-backend/Orders.Read]}}", old.url);
    let answer = Scene::start(&route).await.ask("GET", "/t/x", "").await;
    assert_eq!((answer.body.as_deref(), answer.trailers.len()), (Some(&b"body"[..]), 0));
    assert!(!answer.headers.contains_key("trailer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_caller_gets_no_chunks_from_a_target_of_http2() {
    let target = Http2Target::streams(|request, mut respond| async move {
        let body = if request.uri().path() == "/empty" { "" } else { "hello" };
        http2::answer(&mut respond, ok().header("x-a", "1").body(()).unwrap(), body);
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    for (path, body) in [("/t/x", "hello"), ("/t/empty", "")] {
        let head = request("GET", path, &scene.token, "Connection: keep-alive\r\n").replace("HTTP/1.1", "HTTP/1.0");
        let mut caller = Wire::connect(scene.world.proxy.address()).await;
        let answer = caller.ask(head).await;
        assert_eq!((answer.status(), answer.text().as_str(), answer.end), (200, body, End::Closed));
        assert_eq!((answer.header("connection").as_str(), answer.header("x-a").as_str()), ("close", "1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_an_http1_connection_do_not_reach_a_caller_of_http2() {
    let target = WireTarget::answering(&[
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nUpgrade: h2c\r\n\
          Proxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok",
    ])
    .await;
    let route = format!("\n  - {{path: /t, target: '{}', scopes: [api://orders-backend/Orders.Read]}}", target.url);
    let answer = Scene::start(&route).await.ask("GET", "/t/x", "").await;
    let mut names: Vec<_> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "x-end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_call_that_the_target_breaks_off_ends_with_a_status() {
    let target = Http2Target::streams(|request, mut respond| async move {
        let silent = request.uri().path() == "/silent";
        let mut stream = respond.send_response(grpc(), false).unwrap();
        http2::write(&mut stream, b"\0\0\0\0\x02ok"[..].into(), false).await;
        if silent {
            return std::future::pending().await;
        }
        stream.reserve_capacity(1);
        let _ = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    })
    .await;
    let scene = Scene::start(&target.route().replace("http2: true", "http2: true, read_timeout: 2s")).await;
    for (path, status) in [("/t/reset", "14"), ("/t/silent", "4")] {
        let call = scene.request("POST", path).header("content-type", "application/grpc").header("te", "trailers");
        let answer = http2::ask(&mut scene.caller().await, call, &b"\0\0\0\0\0"[..]).await;
        assert_eq!((answer.status, answer.body.as_deref()), (200, Some(&b"\0\0\0\0\x02ok"[..])), "{path}");
        assert_eq!(answer.trailers["grpc-status"], status, "{path}");
        assert!(answer.trailers.contains_key("grpc-message"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_http2_split_reach_a_target_of_http2_joined() {
    let target = Http2Target::streams(|request, mut respond| async move {
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
        http2::answer(&mut respond, ok().body(()).unwrap(), "");
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    let request = scene.request("GET", "/t/x").header("cookie", "a=1").header("cookie", "b=2").header("cookie", "c=3");
    assert_eq!(http2::ask(&mut scene.caller().await, request, "").await.status, 200);
    let lines = "Cookie: a=1; b=2\r\nCookie: c=3\r\n";
    let plain = crate::support::wire::request("GET", "/t/x", &scene.token, lines);
    assert_eq!(Wire::connect(scene.world.proxy.address()).await.ask(plain).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_a_target_of_http2_does_not_keep_does_not_look_complete() {
    let target = Http2Target::streams(|request, mut respond| async move {
        let length = if request.uri().path() == "/more" { 2 } else { 9 };
        let response = ok().header("content-length", length).body(()).unwrap();
        let mut stream = respond.send_response(response, false).unwrap();
        http2::write(&mut stream, "hello".into(), true).await;
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    for path in ["/t/less", "/t/more"] {
        let answer = scene.ask_plainly("GET", path, "").await;
        assert!(answer.status() == 502 || answer.end == End::Broken || path == "/t/more", "{path} {answer:?}");
        let answer = scene.ask("GET", path, "").await;
        assert!(answer.status == 502 || answer.body.is_none(), "{path} {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_http2_that_turns_out_to_lead_elsewhere_gives_502() {
    let target = WireTarget::answering(&[OK]).await;
    let route = format!(
        "\n  - {{path: /t, target: {{url: '{}', http2: true}}, scopes: [api://orders-backend/Orders.Read]}}",
        target.url
    );
    let scene = Scene::start(&route).await;
    assert_eq!(scene.ask_plainly("GET", "/t/x", "").await.code(), "target_unavailable");
}

/// A target that has begun with the only stream of a connection, says goodbye, and ends the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_that_covers_a_request_does_not_have_it_sent_again() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&begun);
    let target = Http2Target::connections(move |mut connection, _| {
        let count = Arc::clone(&count);
        async move {
            let Some(Ok((_request, _respond))) = connection.accept().await else { return };
            count.fetch_add(1, Ordering::SeqCst);
            connection.abrupt_shutdown(h2::Reason::NO_ERROR);
            // The goodbye is written, and then the connection ends with the stream unanswered.
            let _ = timeout(Duration::from_millis(300), connection.accept()).await;
        }
    })
    .await;
    let scene = Scene::start(&target.route()).await;
    assert_eq!(scene.ask_plainly("POST", "/t/x", "body").await.status(), 502);
    assert_eq!(scene.ask("POST", "/t/x", "body").await.status, 502);
    assert_eq!(begun.load(Ordering::SeqCst), 2, "each POST once");
}
