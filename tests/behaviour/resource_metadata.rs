//! Protected resource metadata (RFC 9728) from outside: the document, who may read it, and where it is not.

mod challenges;

use http::Method;
use obo_proxy::emulator::{Emulator, EmulatorOptions};
use serde_json::{Value, json};

use crate::support::log::access_line;
use crate::support::refusal::Refusal;
use crate::support::wire::Wire;
use crate::support::{Reply, World, listener};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";

/// One route that says everything, others that say little or nothing, and a host with routes of its own.
const ROUTES: &str = "
  - name: orders
    path: /orders
    target: '{target}'
    scopes: [api://orders-backend/Orders.Read]
    resource_metadata:
      resource: https://api.contoso.com/orders
      scopes: [api://gateway/read, api://gateway/write]
      name: Orders, \"all\" of them
      documentation: https://docs.contoso.com/orders?to=get#tokens
  - {name: silent, path: /silent, target: '{target}', grant: none}
  - {name: other, path: /orders, hosts: [other.example], target: '{target}', grant: none}
  - name: there
    path: /there
    hosts: ['*.there.example']
    target: '{target}'
    grant: none
    resource_metadata: {resource: 'https://a.there.example/there'}
  - name: elsewhere
    path: /there
    hosts: [b.there.example]
    target: '{target}'
    grant: none
    resource_metadata: {resource: 'https://b.there.example/there', authorization_servers: ['https://idp.example/']}
  - name: only
    path: /only/this/
    match: exact
    methods: [POST]
    target: '{target}'
    grant: none
    resource_metadata: {resource: 'api://only'}
  - name: spelt
    path: /a%20b%2Cc
    target: '{target}'
    grant: none
    resource_metadata: {resource: 'api://spelt'}
";

const ORDERS: &str = "/.well-known/oauth-protected-resource/orders";

async fn world() -> World {
    World::with_routes(ROUTES).await
}

/// A request for metadata without a token.
async fn ask(world: &World, method: Method, host: &str, path: &str) -> Reply {
    world.send(method, path, &[("host", host)], "").await
}

/// The document of a route that says no more than its resource.
fn document(world: &World, resource: &str) -> Value {
    let issuer = format!("{}/{TENANT}/v2.0", world.emulator.public_url());
    json!({"resource": resource, "authorization_servers": [issuer], "bearer_methods_supported": ["header"]})
}

#[track_caller]
fn assert_no_side_effects(world: &World) {
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

fn headers(reply: &Reply) -> Vec<(&str, &str)> {
    let headers = reply.headers.iter().filter(|(name, _)| !["connection", "date"].contains(&name.as_str()));
    let mut headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    headers.sort_unstable();
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_for_everybody() {
    let world = world().await;
    let reply = ask(&world, Method::GET, "proxy.example", ORDERS).await;
    let issuer = format!("{}/{TENANT}/v2.0", world.emulator.public_url());
    let expected = format!(
        "{{\"resource\":\"https://api.contoso.com/orders\",\"authorization_servers\":[\"{issuer}\"],\
         \"scopes_supported\":[\"api://gateway/read\",\"api://gateway/write\"],\
         \"bearer_methods_supported\":[\"header\"],\"resource_name\":\"Orders, \\\"all\\\" of them\",\
         \"resource_documentation\":\"https://docs.contoso.com/orders?to=get#tokens\"}}"
    );
    assert_eq!((reply.status.as_u16(), &reply.text), (200, &expected));
    let length = expected.len().to_string();
    let wanted = [
        ("access-control-allow-origin", "*"),
        ("cache-control", "max-age=3600"),
        ("content-length", &length),
        ("content-type", "application/json"),
    ];
    assert_eq!(headers(&reply), wanted);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_queries_change_nothing() {
    let world = world().await;
    let expected = ask(&world, Method::GET, "proxy.example", ORDERS).await;
    for (path, authorization) in [(ORDERS, "Bearer x"), (ORDERS, "Basic eDp5"), (&format!("{ORDERS}?a=b"), "Bearer x")]
    {
        let reply = world.send(Method::GET, path, &[("authorization", authorization)], "").await;
        assert_eq!((reply.status.as_u16(), &reply.text), (200, &expected.text), "{path}");
    }
    let token = world.token();
    assert_eq!(world.get(ORDERS, &token).await.text, expected.text);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_the_same_without_the_document() {
    let world = world().await;
    let (get, head) = (ask(&world, Method::GET, "h", ORDERS).await, ask(&world, Method::HEAD, "h", ORDERS).await);
    assert_eq!((head.status, headers(&head), head.text.as_str()), (get.status, headers(&get), ""));
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_on_after_each_kind_of_answer() {
    let world = world().await;
    let mut wire = Wire::connect(world.proxy.address()).await;
    for (method, status, length) in
        [("HEAD", 200, true), ("OPTIONS", 204, false), ("POST", 405, true), ("GET", 200, true)]
    {
        wire.write(format!("{method} {ORDERS} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")).await;
        let head = String::from_utf8(wire.read_head().await.unwrap()).unwrap().to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert_eq!(head.contains("content-length: "), length, "{head}");
        if method == "POST" {
            wire.read_through(b"}").await.unwrap();
        }
    }
    assert!(wire.read_through(b"#tokens\"}").await.is_some());
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_any_origin_may_ask() {
    let world = world().await;
    let preflight = [
        ("origin", "https://inspector.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "mcp-protocol-version"),
    ];
    let reply = world.send(Method::OPTIONS, ORDERS, &preflight, "").await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (204, ""));
    let wanted = [
        ("access-control-allow-headers", "*"),
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        ("access-control-allow-origin", "*"),
        ("access-control-max-age", "3600"),
        ("allow", "GET, HEAD, OPTIONS"),
    ];
    assert_eq!(headers(&reply), wanted);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_are_told_which_there_are() {
    let world = world().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE] {
        let reply = ask(&world, method, "h", ORDERS).await;
        let refusal = Refusal::new(405, "method_not_allowed", "The route does not serve this method");
        refusal.allow("GET, HEAD, OPTIONS").check(&world, &reply);
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_has_the_documents_of_its_own_routes() {
    let world = world().await;
    let there = "/.well-known/oauth-protected-resource/there";
    for (host, path, resource) in [
        ("any.example", ORDERS, Some("https://api.contoso.com/orders")),
        ("API.example:8080", ORDERS, Some("https://api.contoso.com/orders")),
        ("other.example", ORDERS, None),
        ("x.there.example", there, Some("https://a.there.example/there")),
        ("b.there.example", there, Some("https://b.there.example/there")),
        ("there.example", there, None),
        ("b.there.example", ORDERS, Some("https://api.contoso.com/orders")),
    ] {
        let reply = ask(&world, Method::GET, host, path).await;
        let found = reply.json()["resource"].as_str().map(str::to_owned);
        assert_eq!(found.as_deref(), resource, "{host}{path}");
        assert_eq!(reply.status.as_u16(), if resource.is_some() { 200 } else { 404 }, "{host}{path}");
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn little_is_told_where_little_is_set() {
    let world = world().await;
    let at = |path: &str| format!("/.well-known/oauth-protected-resource{path}");
    let reply = ask(&world, Method::GET, "a.there.example", &at("/there")).await;
    assert_eq!(reply.json(), document(&world, "https://a.there.example/there"));
    let reply = ask(&world, Method::GET, "b.there.example", &at("/there")).await;
    let mut expected = document(&world, "https://b.there.example/there");
    expected["authorization_servers"] = json!(["https://idp.example/"]);
    assert_eq!(reply.json(), expected);
    let reply = ask(&world, Method::GET, "h", &at("/only/this/")).await;
    assert_eq!(reply.json(), document(&world, "api://only"));
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_is_described_at_its_own_path_only() {
    let world = world().await;
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/orders/",
        "/.well-known/oauth-protected-resource/orders/1",
        "/.well-known/oauth-protected-resource/Orders",
        "/.well-known/oauth-protected-resource/order",
        "/.well-known/oauth-protected-resource/silent",
        "/.well-known/oauth-protected-resource/only/this",
        "/.well-known/oauth-protected-resourceorders",
        "/.Well-Known/oauth-protected-resource/orders",
        "/.well-known/oauth-authorization-server/orders",
    ] {
        let reply = ask(&world, Method::GET, "h", path).await;
        Refusal::new(404, "no_route", "No route serves this request").check(&world, &reply);
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_spelling_of_a_path_with_one_reading_leads_to_the_document() {
    let world = world().await;
    for path in ["/a%20b%2Cc", "/a%20b%2cc", "/a%20b,c"] {
        let reply = ask(&world, Method::GET, "h", &format!("/.well-known/oauth-protected-resource{path}")).await;
        assert_eq!(reply.json(), document(&world, "api://spelt"), "{path}");
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_two_readings_is_refused() {
    let world = world().await;
    for path in [
        "/%2ewell-known/oauth-protected-resource/orders",
        "/.well-known//oauth-protected-resource/orders",
        "/.well-known/oauth-protected-resource//orders",
        "/.well-known/oauth-protected-resource/%2e/orders",
        "/.well-known/oauth-protected-resource%2forders",
        "/.well-known/oauth-protected-resource;x/orders",
        "/x/../.well-known/oauth-protected-resource/orders",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        let answer = Wire::connect(world.proxy.address()).await.ask(request).await;
        assert_eq!((answer.status(), answer.code().as_str()), (400, "ambiguous_request"), "{path}");
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_is_described_with_and_without_a_final_slash_beside_a_catch_all() {
    let routes = "
  - {name: all, path: /, target: '{target}', grant: none, resource_metadata: {resource: 'https://h.example'}}
  - {name: orders, path: /orders, target: '{target}', grant: none, resource_metadata: {resource: 'https://h.example/orders'}}
  - {name: silent, path: /silent, target: '{target}', grant: none}
";
    let world = World::with_routes(routes).await;
    for (path, resource) in
        [("", "https://h.example"), ("/", "https://h.example"), ("/orders", "https://h.example/orders")]
    {
        let reply = ask(&world, Method::GET, "h", &format!("/.well-known/oauth-protected-resource{path}")).await;
        assert_eq!(reply.json(), document(&world, resource), "{path}");
    }
    // What is no document is a request like any other.
    for path in ["/silent", "/orders/1", "/nowhere"] {
        let reply = ask(&world, Method::GET, "h", &format!("/.well-known/oauth-protected-resource{path}")).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "missing_token"), "{path}");
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_described_where_nothing_was_asked_for() {
    let world = World::start().await;
    let reply = ask(&world, Method::GET, "h", ORDERS).await;
    Refusal::new(404, "no_route", "No route serves this request").check(&world, &reply);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_the_document_are_logged_and_counted_with_their_route() {
    let world = world().await;
    let header = [("x-request-id", "metadata-is-logged-17")];
    assert_eq!(world.send(Method::GET, ORDERS, &header, "").await.status, 200);
    let line = access_line("metadata-is-logged-17").await;
    let field = |name: &str| line[name].as_str().unwrap().to_owned();
    assert_eq!(
        (line["status"].as_u64(), field("code"), field("route")),
        (Some(200), String::new(), "orders".to_owned())
    );
    assert_eq!((field("path"), field("token_source")), (ORDERS.to_owned(), String::new()));
    assert!(line["target_ms"].is_null() && line["exchange_ms"].is_null(), "{line}");
    let counted = |status: &str, code: &str| {
        format!("obo_proxy_requests_total{{code=\"{code}\",route=\"orders\",status=\"{status}\"}}")
    };
    assert_eq!(ask(&world, Method::PUT, "h", ORDERS).await.status, 405);
    crate::support::eventually("both are counted", async || {
        let refused = world.proxy.metric(&counted("405", "method_not_allowed")).await;
        (world.proxy.metric(&counted("200", "")).await, refused) == (1.0, 1.0)
    })
    .await;
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_several_tenants_and_of_other_providers_are_sent_to_where_they_can_sign_in() {
    let route = "
  - {name: open, path: /open, target: '{target}', grant: none, resource_metadata: {resource: 'https://h.example/open'}}
";
    for (identity, issuer) in [
        (
            format!("tenant_id: caller\n    tenants: [{TENANT}]\n    authority: https://idp.example"),
            "https://idp.example/organizations/v2.0",
        ),
        ("issuer: http://127.0.0.1:1/realms/demo/".to_owned(), "http://127.0.0.1:1/realms/demo/"),
    ] {
        let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
        let usual = format!("tenant_id: {TENANT}\n");
        let authority = format!("    authority: {}\n", emulator.public_url());
        // The identity provider is not there: nothing is asked of it for metadata.
        let world = World::around(emulator, "", route, |configuration| {
            configuration.replace(&authority, "").replace(&usual, &format!("{identity}\n"))
        })
        .await;
        let reply = ask(&world, Method::GET, "h", "/.well-known/oauth-protected-resource/open").await;
        let mut expected = document(&world, "https://h.example/open");
        expected["authorization_servers"] = json!([issuer]);
        assert_eq!(reply.json(), expected);
        assert_no_side_effects(&world);
    }
}
