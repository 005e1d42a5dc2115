//! What is asked of every request: whom it comes from, and how large it may be.

use bytes::Bytes;
use http::{Method, Request};

use crate::support::log::access_line;
use crate::support::tls::{Authority, TlsProxy, TlsTarget};
use crate::support::wire::{Message, Wire, WireTarget, request};
use crate::support::{World, eventually};

const ROUTES: &str = "
  - {name: any, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: small, path: /small, target: '{target}', scopes: [api://orders-backend/Orders.Read], max_body: 1KiB}
  - {name: none, path: /none, target: '{target}', scopes: [api://orders-backend/Orders.Read], max_body: 0B}
";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

struct Scene {
    target: WireTarget,
    world: World,
    token: String,
}

impl Scene {
    /// With these lines at the top of the configuration.
    async fn with(settings: &str) -> Self {
        let target = WireTarget::answering(&[OK]).await;
        let world = World::configured(settings, &ROUTES.replace("{target}", &target.url)).await;
        let token = world.token();
        Self { target, world, token }
    }

    async fn ask(&self, request: impl AsRef<[u8]>) -> Message {
        Wire::connect(self.world.proxy.address()).await.ask(request).await
    }

    /// What the target receives of a `GET` with these lines.
    async fn forwarded(&self, lines: &str) -> Message {
        let answer = self.ask(request("GET", "/t/x", &self.token, lines)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        self.target.received().pop().unwrap()
    }
}

const FORWARDED: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];

fn told(seen: &Message) -> [String; 3] {
    FORWARDED.map(|name| seen.header(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_about_its_caller() {
    let scene = Scene::with("trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]").await;
    let lines = "X-Request-Id: by-proxy-x\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.9\r\nX-Forwarded-For: 10.0.0.7\r\n\
                 X-Forwarded-Proto: https\r\nX-Forwarded-Host: api.example:8443\r\nForwarded: for=6.6.6.6\r\n";
    let seen = scene.forwarded(lines).await;
    assert_eq!(told(&seen), ["192.0.2.9, 10.0.0.7, 127.0.0.1", "https", "api.example:8443"]);
    assert_eq!(seen.header("forwarded"), "");
    let line = access_line("by-proxy-x").await;
    assert_eq!((line["remote"].as_str(), line["proxy"].as_str()), (Some("192.0.2.9"), Some("127.0.0.1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trusted_proxy_does_not_say_clearly_is_replaced() {
    let scene = Scene::with("trusted_proxies: [127.0.0.1]").await;
    for lines in [
        "",
        "X-Forwarded-For: unknown\r\nX-Forwarded-Proto: ftp\r\nX-Forwarded-Host: a/b\r\n",
        "X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: a\r\nX-Forwarded-Host: b\r\n",
    ] {
        assert_eq!(told(&scene.forwarded(lines).await), ["127.0.0.1", "http", "proxy.example"], "{lines}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_believed() {
    let scene = Scene::with("trusted_proxies: [10.0.0.0/8]").await;
    let lines = "X-Request-Id: by-nobody-x\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: evil\r\n";
    assert_eq!(told(&scene.forwarded(lines).await), ["127.0.0.1", "http", "proxy.example"]);
    let line = access_line("by-nobody-x").await;
    assert!(line["remote"].as_str().unwrap().starts_with("127.0.0.1:") && line["proxy"].is_null(), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_a_trusted_proxy_names_finds_no_route() {
    let target = WireTarget::answering(&[OK]).await;
    let routes = format!(
        "\n  - {{path: /t, hosts: [inner.example], target: '{}', scopes: [api://orders-backend/Orders.Read]}}",
        target.url
    );
    let world = World::configured("trusted_proxies: [127.0.0.1]", &routes).await;
    let asked = request("GET", "/t/x", &world.token(), "X-Forwarded-Host: inner.example\r\n");
    let answer = Wire::connect(world.proxy.address()).await.ask(asked).await;
    assert_eq!((answer.status(), target.requests()), (404, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_larger_than_the_limits_is_refused_and_ends_its_connection() {
    let scene = Scene::with("limits: {headers: 10, header_bytes: 8KiB, target_bytes: 1KiB}").await;
    let many = (0..9).fold(String::new(), |lines, n| format!("{lines}X-{n}: a\r\n"));
    let long_path = format!("/t/{}", "a".repeat(1100));
    let long_query = format!("/t?{}", "a".repeat(1100));
    for (target, lines, status, code) in [
        (long_path.as_str(), "", 414, "target_too_long"),
        (long_query.as_str(), "", 414, "target_too_long"),
        ("/t/x", many.as_str(), 431, "headers_too_large"),
        ("/t/x", &format!("X-Long: {}\r\n", "a".repeat(9_000)), 431, "headers_too_large"),
    ] {
        let mut caller = Wire::connect(scene.world.proxy.address()).await;
        let answer = caller.ask(request("GET", target, &scene.token, lines)).await;
        assert_eq!((answer.status(), answer.code().as_str()), (status, code), "{}", answer.text());
        assert!(caller.is_closed().await);
    }
    assert_eq!((scene.world.token_requests(), scene.target.requests()), (0, 0));
    let within = request("GET", &format!("/t/{}", "a".repeat(1_000)), &scene.token, &many[..many.len() - 16]);
    assert_eq!((scene.ask(within).await.status(), scene.target.requests()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_hold_over_http2() {
    let world = World::start().await;
    let authority = Authority::new();
    let settings = "limits: {headers: 10, header_bytes: 8KiB, target_bytes: 1KiB}";
    let proxy = TlsProxy::configured(&world, &authority, settings, ROUTES).await;
    let mut caller = authority.http2_caller(&proxy).await;
    let long = "a".repeat(1_100);
    let bearer = format!("Bearer {}", world.token());
    let plain = || Request::get(format!("{}/t/x", proxy.url)).header("authorization", &bearer);
    let many = (0..10).fold(plain(), |request, n| request.header(format!("x-{n}"), "a"));
    for (asked, status) in [
        (Request::get(format!("{}/t/{long}", proxy.url)), 414),
        (many, 431),
        (plain().header("x-long", "a".repeat(9_000)), 431),
        (plain(), 200),
    ] {
        let (response, _) = caller.send_request(asked.body(()).unwrap(), true).unwrap();
        assert_eq!(response.await.unwrap().status().as_u16(), status);
    }
    assert_eq!(world.target.total_hits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_larger_header_section_is_taken_over_http2_too_where_it_is_allowed() {
    let world = World::start().await;
    let authority = Authority::new();
    let proxy = TlsProxy::configured(&world, &authority, "limits: {header_bytes: 256KiB}", ROUTES).await;
    let mut caller = authority.http2_caller(&proxy).await;
    let bearer = format!("Bearer {}", world.token());
    for (length, status) in [(100_000, 200), (300_000, 431)] {
        let request = Request::get(format!("{}/t/x", proxy.url)).header("authorization", &bearer);
        let (response, _) =
            caller.send_request(request.header("x-long", "a".repeat(length)).body(()).unwrap(), true).unwrap();
        assert_eq!(response.await.unwrap().status().as_u16(), status, "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_says_to_be_too_long_is_refused_before_anything_happens() {
    let scene = Scene::with("").await;
    for (path, length) in [("/small/x", "1025"), ("/small/x", "99999999999"), ("/none", "1")] {
        let lines = format!("Content-Length: {length}\r\nExpect: 100-continue\r\n");
        let answer = scene.ask(request("POST", path, &scene.token, &lines)).await;
        assert_eq!((answer.status(), answer.code().as_str()), (413, "body_too_large"), "{path} {length}");
    }
    assert_eq!((scene.world.token_requests(), scene.target.requests(), scene.target.connections()), (0, 0, 0));
    for (path, body) in [("/small/x", "a".repeat(1_024)), ("/none", String::new()), ("/t", "a".repeat(70_000))] {
        let lines = format!("Content-Length: {}\r\n", body.len());
        let answer = scene.ask(request("POST", path, &scene.token, &lines) + &body).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
}

/// The target reads the beginning, and then the end of the connection in place of the last chunk.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_turns_out_to_be_too_long_never_comes_to_its_end() {
    let scene = Scene::with("").await;
    let head = request("POST", "/small/x", &scene.token, "Transfer-Encoding: chunked\r\n");
    let chunk = format!("200\r\n{}\r\n", "a".repeat(512));
    let mut caller = Wire::connect(scene.world.proxy.address()).await;
    caller.write(format!("{head}{chunk}")).await;
    eventually("the request has reached the target", async || scene.target.requests() == 1).await;
    let answer = caller.ask(format!("{chunk}{chunk}0\r\n\r\n")).await;
    assert_eq!((answer.status(), answer.code().as_str()), (413, "body_too_large"));
    assert!(caller.is_closed().await);
    eventually("the target has given the body up", async || scene.target.bodies().len() == 1).await;
    let broken = scene.target.bodies().remove(0);
    assert_eq!(broken.end, crate::support::wire::End::Broken);
    let within = request("POST", "/small/x", &scene.token, "Transfer-Encoding: chunked\r\n");
    assert_eq!(scene.ask(format!("{within}{chunk}{chunk}0\r\n\r\n")).await.status(), 200);
    assert_eq!(scene.target.connections(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_frames_that_turns_out_to_be_too_long_never_comes_to_its_end() {
    let world = World::start().await;
    let authority = Authority::new();
    let backend = TlsTarget::http2(&authority).await;
    let routes = format!(
        "\n  - {{path: /small, scopes: [api://orders-backend/Orders.Read], max_body: 1KiB, \
         target: {{url: '{}', http2: true, ca_file: '{}'}}}}",
        backend.url,
        authority.file()
    );
    let proxy = TlsProxy::start(&world, &authority, None, &routes).await;
    let mut caller = authority.http2_caller(&proxy).await;
    let post = |path: &str| {
        let bearer = format!("Bearer {}", world.token());
        let request = Request::builder().method(Method::POST).uri(format!("{}{path}", proxy.url));
        request.header("authorization", bearer).body(()).unwrap()
    };
    let (response, mut body) = caller.send_request(post("/small/long"), false).unwrap();
    body.send_data(Bytes::from(vec![b'a'; 1_000]), false).unwrap();
    eventually("the request has reached the target", async || backend.requests().len() == 1).await;
    body.send_data(Bytes::from(vec![b'a'; 1_000]), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 413);
    eventually("the target has seen the body broken off", async || backend.broken_bodies() == 1).await;
    let (response, mut body) = caller.send_request(post("/small/plain"), false).unwrap();
    body.send_data(Bytes::from(vec![b'a'; 1_024]), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 200);
    assert_eq!(backend.broken_bodies(), 1);
}
