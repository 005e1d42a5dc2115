//! Challenges that say where the metadata of their route are, whole, over both versions of HTTP.

use http::{Method, Version};
use obo_proxy::emulator::{EmulatorOptions, Policy, TokenRequest};

use crate::support::refusal::{Refusal, plain_challenge};
use crate::support::tls::{Authority, NAME, TlsProxy};
use crate::support::wire::Wire;
use crate::support::{Reply, World};

const ROUTES: &str = "
  - name: orders
    path: /orders
    target: '{target}'
    scopes: [api://orders-backend/Orders.Read]
    resource_metadata: {resource: 'api://gateway', scopes: [api://gateway/read, api://gateway/write]}
  - name: narrow
    path: /narrow
    target: '{target}'
    grant: none
    require: {scopes: [payroll.read], roles: [Payroll.Admin]}
    resource_metadata: {resource: 'api://gateway', scopes: [api://gateway/read], public_url: 'https://api.contoso.com'}
  - name: payroll
    path: /payroll
    target: '{target}'
    scopes: [api://payroll/Payroll.Read]
    resource_metadata: {resource: 'api://gateway', scopes: [api://gateway/read], public_url: 'https://api.contoso.com'}
  - name: root
    path: /
    hosts: [root.example]
    target: '{target}'
    grant: none
    resource_metadata: {resource: 'api://gateway'}
  - {name: spelt, path: '/a%20b%2Cc', target: '{target}', grant: none, resource_metadata: {resource: 'api://gateway'}}
  - {name: silent, path: /silent, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

const WELL_KNOWN: &str = ".well-known/oauth-protected-resource";
const SCOPES: &str = ", scope=\"api://gateway/read api://gateway/write\"";

async fn world() -> World {
    World::with_routes(ROUTES).await
}

async fn ask(world: &World, host: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    world.send(Method::GET, path, &[headers, &[("host", host)]].concat(), "").await
}

fn missing_token(world: &World, parameters: &str) -> Refusal {
    Refusal::new(401, "missing_token", "The request carries no bearer token").challenge(world, parameters)
}

fn invalid_token(world: &World, parameters: &str) -> Refusal {
    let parameters = format!(", error=\"invalid_token\"{parameters}");
    Refusal::new(401, "invalid_token", "The access token is not valid here").challenge(world, &parameters)
}

/// The parameter that names this address.
fn named(address: &str) -> String {
    format!(", resource_metadata=\"{address}\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_good_token_is_told_the_scopes_and_where_to_read_more() {
    let world = world().await;
    let parameters = format!("{SCOPES}{}", named(&format!("http://api.example:8080/{WELL_KNOWN}/orders")));
    for path in ["/orders", "/orders/1"] {
        missing_token(&world, &parameters).check(&world, &ask(&world, "api.example:8080", path, &[]).await);
    }
    let bad = ask(&world, "api.example:8080", "/orders", &[("authorization", "Bearer x")]).await;
    invalid_token(&world, &parameters).check(&world, &bad);
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_that_a_challenge_names_is_the_one_of_the_document() {
    let world = world().await;
    for (host, path) in [("h", "/orders/1"), ("h", "/a%20b%2Cc/x"), ("root.example", "/any/thing")] {
        let challenge = ask(&world, host, path, &[]).await.challenge().to_owned();
        let address = challenge.split("resource_metadata=\"").nth(1).unwrap().trim_end_matches('"').to_owned();
        let path = address.strip_prefix(&format!("http://{host}")).unwrap();
        let reply = ask(&world, host, path, &[]).await;
        assert_eq!(reply.json()["resource"].as_str(), Some("api://gateway"), "{address}");
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_told_as_it_was_read() {
    let world = world().await;
    for (host, told) in [
        ("API.Example.", "api.example"),
        ("[::1]:8443", "[::1]:8443"),
        ("[::1]", "[::1]"),
        ("h:", "h"),
        ("h:0080", "h:80"),
        ("h:99999", "h"),
    ] {
        let request = format!("GET /orders HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = Wire::connect(world.proxy.address()).await.ask(request).await;
        let parameters = format!("{SCOPES}{}", named(&format!("http://{told}/{WELL_KNOWN}/orders")));
        let expected = format!("{}{parameters}", plain_challenge(&world));
        assert_eq!((answer.status(), answer.header("www-authenticate")), (401, expected), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_host_no_address_is_named() {
    let world = world().await;
    for (path, end) in [
        ("/orders", SCOPES.to_owned()),
        (
            "/narrow",
            format!(", scope=\"api://gateway/read\"{}", named(&format!("https://api.contoso.com/{WELL_KNOWN}/narrow"))),
        ),
    ] {
        let answer = Wire::connect(world.proxy.address()).await.ask(format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        let expected = format!("{}{end}", plain_challenge(&world));
        assert_eq!((answer.status(), answer.header("www-authenticate")), (401, expected), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_refused_is_not_repeated() {
    let world = world().await;
    for host in ["a\"b", "a,b", "a\\b", "a b"] {
        let request = format!("GET /orders HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = Wire::connect(world.proxy.address()).await.ask(request).await;
        assert_eq!((answer.status(), answer.header("www-authenticate").as_str()), (400, ""), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_url_outranks_the_host() {
    let world = world().await;
    let end = named(&format!("https://api.contoso.com/{WELL_KNOWN}/narrow"));
    let reply = ask(&world, "evil.example", "/narrow", &[]).await;
    missing_token(&world, &format!(", scope=\"api://gateway/read\"{end}")).check(&world, &reply);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_lacks_is_told_in_place_of_what_clients_ask_for() {
    let world = world().await;
    let end = named(&format!("https://api.contoso.com/{WELL_KNOWN}/narrow"));
    let parameters = format!(", error=\"insufficient_scope\", scope=\"payroll.read\"{end}");
    let refusal = Refusal::new(403, "insufficient_scope", "The access token does not grant this");
    refusal.challenge(&world, &parameters).check(&world, &world.get("/narrow", &world.token()).await);
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_without_a_challenge_stays_without_one() {
    let world = world().await;
    let app_only = world.mint(&TokenRequest::app_only());
    let reply = world.get("/orders", &app_only).await;
    let refusal = Refusal::new(403, "app_only_token", "The route acts on behalf of users; this token has none");
    refusal.check(&world, &reply);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_come_before_the_address() {
    let options = EmulatorOptions { policy: Policy::default(), ..EmulatorOptions::default() };
    let world = World::with(options, "", ROUTES).await;
    let reply = world.get("/payroll", &world.token()).await;
    // {"access_token":{"acrs":{"essential":true,"value":"c1"}}}
    let claims = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19";
    let end = named(&format!("https://api.contoso.com/{WELL_KNOWN}/payroll"));
    let expected = format!("{}, error=\"insufficient_claims\", claims=\"{claims}\"{end}", plain_challenge(&world));
    assert_eq!((reply.status.as_u16(), reply.challenge()), (401, expected.as_str()));
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_asked_for_nothing_says_nothing() {
    let world = world().await;
    missing_token(&world, "").check(&world, &ask(&world, "api.example", "/silent", &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_tls_is_sent_to_https_over_both_versions() {
    let (world, authority) = (World::start().await, Authority::new());
    let proxy = TlsProxy::start(&world, &authority, None, ROUTES).await;
    for (client, version) in
        [(authority.client(&proxy), Version::HTTP_2), (authority.client(&proxy).http1_only(), Version::HTTP_11)]
    {
        let client = client.build().unwrap();
        let answer = client.get(format!("{}/orders", proxy.url)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (401, version));
        let address = format!("https://{NAME}:{}/{WELL_KNOWN}/orders", proxy.address.port());
        let expected = format!("{}{SCOPES}{}", plain_challenge(&world), named(&address));
        assert_eq!(answer.headers()["www-authenticate"], expected);
        for (method, status, length) in
            [(Method::GET, 200, true), (Method::HEAD, 200, true), (Method::OPTIONS, 204, false)]
        {
            let answer = client.request(method.clone(), &address).send().await.unwrap();
            assert_eq!((answer.status().as_u16(), answer.version()), (status, version), "{method}");
            assert_eq!(answer.headers().contains_key("content-length"), length, "{method}");
            assert_eq!(answer.text().await.unwrap().is_empty(), method != Method::GET);
        }
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_caller_is_told_the_same() {
    let world = world().await;
    let reply = ask(&world, "h", "/orders", &[("content-type", "application/grpc")]).await;
    let expected = format!("{}{SCOPES}{}", plain_challenge(&world), named(&format!("http://h/{WELL_KNOWN}/orders")));
    assert_eq!((reply.status.as_u16(), reply.header("grpc-status"), reply.challenge()), (200, "16", expected.as_str()));
}
