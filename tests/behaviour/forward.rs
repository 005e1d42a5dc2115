//! What the target receives: the rewritten path, token B and no other, and no header that a caller could make up.
//! Connections to the target are in `connections`.

use crate::support::wire::{Message, Wire, WireTarget, request};
use crate::support::{Reply, World};

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: open, path: /open, target: '{target}', grant: none}
  - {name: reader, path: /reader, target: '{target}', methods: [GET], scopes: [api://orders-backend/Orders.Read]}
";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A world around a target that accepts everything, and what a request with these header lines is answered.
struct Scene {
    target: WireTarget,
    world: World,
    token: String,
}

impl Scene {
    async fn start() -> Self {
        let target = WireTarget::answering(&[OK]).await;
        let world = target.world(ROUTES).await;
        let token = world.token();
        Self { target, world, token }
    }

    async fn ask(&self, request: impl AsRef<[u8]>) -> Message {
        Wire::connect(self.world.proxy.address()).await.ask(request).await
    }

    /// The answer to a `GET` with these lines.
    async fn get(&self, lines: &str) -> Message {
        self.ask(request("GET", "/t/x", &self.token, lines)).await
    }
}

/// What the target receives of a `GET` with these lines.
async fn forwarded(lines: &str) -> Message {
    let scene = Scene::start().await;
    let answer = scene.get(lines).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    scene.target.only_request()
}

/// How a `GET` with these lines is answered that neither the identity provider nor the target may see.
async fn refused(lines: &str) -> Message {
    let scene = Scene::start().await;
    let answer = scene.get(lines).await;
    assert_eq!((scene.world.token_requests(), scene.target.requests()), (0, 0));
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn the_routes_path_is_replaced_by_the_targets() {
    let routes = "
  - {path: /orders, target: '{target}', scopes: [api://a/x]}
  - {path: /graph, target: '{target}/v1.0', scopes: [api://a/x]}
  - {path: /graph/beta, target: '{target}/beta/api', scopes: [api://a/x]}
  - {path: /one, match: exact, target: '{target}/just/this', scopes: [api://a/x]}
";
    let target = WireTarget::answering(&[OK]).await;
    let world = target.world(routes).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    let cases = [
        ("/orders/7", "/7"),
        ("/orders", "/"),
        ("/orders/", "/"),
        ("/orders?x=y", "/?x=y"),
        ("/graph", "/v1.0"),
        ("/graph/", "/v1.0/"),
        ("/graph/me?$top=1&q=%2F..;'", "/v1.0/me?$top=1&q=%2F..;'"),
        ("/graph/me?", "/v1.0/me?"),
        ("/graph/beta/me", "/beta/api/me"),
        ("/graph/betas", "/v1.0/betas"),
        ("/one?x=1", "/just/this?x=1"),
        ("/orders/a%20b/caf%C3%A9/100%25/a|b[1]^", "/a%20b/caf%C3%A9/100%25/a|b[1]^"),
        ("/orders/caf%c3%a9?q=%c3%a9", "/caf%C3%A9?q=%c3%a9"),
        ("/orders/orders/orders", "/orders/orders"),
    ];
    for (path, expected) in cases {
        assert_eq!(caller.ask(request("GET", path, &token, "")).await.status(), 200, "{path}");
        let line = target.received().last().unwrap().start_line();
        assert_eq!(line, format!("GET {expected} HTTP/1.1"), "{path}");
    }
    assert_eq!(target.requests(), cases.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_gets_token_b_and_no_other() {
    let world = World::start().await;
    let token = world.token();
    assert_eq!(world.get("/orders/1", &token).await.status, 200);
    let seen = &world.target.requests()[0];
    let values: Vec<_> = seen.header_values("authorization").collect();
    assert_eq!(values.len(), 1);
    assert!(values[0].starts_with("Bearer eyJ") && !values[0].contains(&token));
    assert_eq!((world.target.token_digests().len(), world.token_requests()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_the_targets() {
    let scene = Scene::start().await;
    scene.get("").await;
    let authority = scene.target.url.trim_start_matches("http://");
    assert_eq!(scene.target.only_request().header("host"), authority);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_claims_about_itself_does_not_arrive() {
    let names = [
        "Proxy-Authorization",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Prefix",
        "X-Forwarded-Scheme",
        "X-Original-URL",
        "x_forwarded_for",
        "X-Forwarded_For",
        "X_Real_IP",
        "X_Forwarded-Host",
        "Proxy_Authorization",
        "X_REQUEST_ID",
        "Content_Length",
        "Transfer_Encoding",
    ];
    let lines = names.map(|name| [name, ": claimed\r\n"].concat()).concat();
    let seen = forwarded(&lines).await;
    for name in names {
        assert!(!seen.names().contains(&name.to_ascii_lowercase()), "{name}");
    }
    assert!(!String::from_utf8_lossy(&seen.head).contains("claimed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_underscored_authorization_does_not_arrive() {
    let seen = forwarded("author_ization: kept\r\nX_Authorization: kept\r\n_Authorization: kept\r\n").await;
    assert_eq!(seen.header("x_authorization"), "kept");
    assert_eq!(seen.values("authorization").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_says_who_the_caller_is() {
    let lines = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n";
    let seen = forwarded(lines).await;
    assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.header("x-forwarded-host"), "proxy.example");
    assert_eq!(seen.header("x-forwarded-proto"), "http");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_headers_arrive_as_they_came() {
    let seen = forwarded(
        "Cookie: a=1; b=\"2\"\r\nX-Own: 1\r\nX-Own: 2\r\nAccept: */*\r\nAccept-Encoding: br\r\nIf-Match: \"e\"\r\nX-High: \u{e9}\r\n",
    )
    .await;
    assert_eq!(seen.header("cookie"), "a=1; b=\"2\"");
    assert_eq!(seen.values("x-own"), [b"1", b"2"]);
    assert_eq!((seen.header("accept").as_str(), seen.header("accept-encoding").as_str()), ("*/*", "br"));
    assert_eq!((seen.header("if-match").as_str(), seen.header("x-high").as_str()), ("\"e\"", "\u{e9}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_callers_connection_stay_behind() {
    let seen = forwarded(
        "Connection: X-Own, close\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nX-End: 2\r\n",
    )
    .await;
    for name in ["x-own", "keep-alive", "proxy-connection"] {
        assert!(!seen.names().contains(&name.to_owned()), "{name}");
    }
    assert_eq!(seen.header("x-end"), "2");
    assert!(!seen.header("connection").to_ascii_lowercase().contains("x-own"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_that_decides_something_can_be_nominated_away() {
    for name in [
        "Authorization",
        "X-Forwarded-For",
        "x-forwarded-host",
        "Host",
        "Cookie",
        "X-Request-Id",
        "traceparent",
        "Content-Length",
    ] {
        let answer = refused(&format!("Connection: keep-alive, {name}\r\n")).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_transfer_coding_but_chunked_is_asked_of_the_target() {
    let seen = forwarded("TE: trailers, gzip\r\nConnection: TE\r\n").await;
    assert!(["", "trailers"].contains(&seen.header("te").as_str()), "{}", seen.header("te"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_is_not_asked_of_the_connection_does_not_arrive() {
    let seen = forwarded("Upgrade: websocket\r\n").await;
    assert_eq!((seen.header("upgrade").as_str(), seen.header("connection").contains("pgrade")), ("", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_to_http2_does_not_arrive() {
    let scene = Scene::start().await;
    let lines = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    assert_eq!(scene.get(lines).await.status(), 200);
    let seen = scene.target.only_request();
    assert_eq!((seen.header("upgrade").as_str(), seen.header("http2-settings").as_str()), ("", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_request_id_and_trace_are_taken_over() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let seen = forwarded(&format!("X-Request-Id: abc-123\r\ntraceparent: {parent}\r\ntracestate: a=b\r\n")).await;
    assert_eq!((seen.header("x-request-id").as_str(), seen.header("traceparent").as_str()), ("abc-123", parent));
    assert_eq!(seen.header("tracestate"), "a=b");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_request_ids_or_traces_are_replaced_by_one() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let lines = format!("X-Request-Id: a\r\nX-Request-Id: b\r\ntraceparent: {parent}\r\ntraceparent: {parent}\r\n");
    let seen = forwarded(&lines).await;
    assert_eq!((seen.header("x-request-id").len(), seen.header("traceparent").len()), (36, 55));
    assert_ne!(seen.header("traceparent"), parent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_id_and_trace_gets_them() {
    let seen = forwarded("").await;
    assert_eq!((seen.header("x-request-id").len(), seen.header("traceparent").len()), (36, 55));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_request_id_and_trace_are_replaced() {
    let seen = forwarded("X-Request-Id: a b\r\ntraceparent: 00-junk\r\n").await;
    assert_eq!((seen.header("x-request-id").len(), seen.header("traceparent").len()), (36, 55));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_trace_that_was_not_taken_over_does_not_arrive() {
    assert_eq!(forwarded("traceparent: 00-junk\r\ntracestate: a=b\r\n").await.header("tracestate"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_callers_request_id() {
    let answer = refused("X-Request-Id: abc-123\r\nConnection: Host\r\n").await;
    assert_eq!(answer.header("x-request-id"), "abc-123");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_a_in_another_place_stops_the_request() {
    let scene = Scene::start().await;
    let token = &scene.token;
    let cases = [
        request("GET", &format!("/t/x?access_token={token}"), token, ""),
        request("GET", &format!("/t/{token}/x"), token, ""),
        request("GET", "/t/x", token, &format!("X-Token: v1 {token};\r\n")),
        request("GET", "/t/x", token, &format!("Cookie: a=1; session={token}\r\n")),
        request("POST", "/t/x", token, &format!("X-Own: {token}\r\nContent-Length: 2\r\n")) + "ab",
        request("GET", &format!("/open/x?access_token={token}"), token, ""),
    ];
    for case in cases {
        let answer = scene.ask(&case).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{case}");
    }
    assert_eq!(scene.target.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_the_target_gets_no_credential() {
    let scene = Scene::start().await;
    assert_eq!(scene.ask(request("GET", "/open/x", &scene.token, "")).await.status(), 200);
    let seen = scene.target.only_request();
    assert_eq!((seen.start_line().as_str(), seen.values("authorization").len()), ("GET /x HTTP/1.1", 0));
    assert_eq!(scene.world.token_requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_the_caller_is_verified_all_the_same() {
    let scene = Scene::start().await;
    let answer = scene.ask(request("GET", "/open/x", "junk", "")).await;
    assert_eq!((answer.status(), answer.code().as_str()), (401, "invalid_token"));
    assert_eq!(scene.target.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_for_some_methods_takes_no_other_by_a_header() {
    let scene = Scene::start().await;
    for name in ["X-HTTP-Method-Override", "x-http-method", "X-Method-Override"] {
        let answer = scene.ask(request("GET", "/reader/x", &scene.token, &format!("{name}: DELETE\r\n"))).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{name}");
    }
    assert_eq!((scene.world.token_requests(), scene.target.requests()), (0, 0));
    let unlimited = scene.get("X-HTTP-Method-Override: DELETE\r\n").await;
    assert_eq!((unlimited.status(), scene.target.requests()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_underscored_method_override_does_not_pass_either() {
    let scene = Scene::start().await;
    let answer = scene.ask(request("GET", "/reader/x", &scene.token, "X_HTTP_Method_Override: DELETE\r\n")).await;
    assert_eq!((answer.status(), answer.code().as_str(), scene.target.requests()), (400, "ambiguous_request", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_arrives_with_its_length_and_bytes() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.token());
    let reply: Reply =
        world.send(http::Method::POST, "/orders/x", &[("authorization", &bearer)], &"b".repeat(200_000)).await;
    let digest = "31731ec46c3318e622490d1102d6a5f2d0b33995b35ede8cdbbb76252ee6d87b";
    assert_eq!(reply.json()["body_bytes"].as_u64(), Some(200_000));
    assert_eq!(reply.json()["body_sha256"].as_str(), Some(digest));
}
