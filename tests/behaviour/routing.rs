//! Which route a request takes, seen from outside.

use http::Method;

use crate::support::{Reply, World};

const ROUTES: &str = "
  - {name: orders, path: /orders, target: '{target}/orders', scopes: [api://a/x]}
  - {name: archive, path: /orders/archive, target: '{target}/archive', scopes: [api://a/x]}
  - {name: readers, path: /reports, methods: [GET, HEAD], target: '{target}/readers', scopes: [api://a/x]}
  - {name: writers, path: /reports, methods: [POST], target: '{target}/writers', scopes: [api://a/x]}
  - {name: exact, path: /status, match: exact, target: '{target}/exact', scopes: [api://a/x]}
  - {name: named, path: /orders, hosts: [api.example], target: '{target}/named', scopes: [api://a/x]}
  - {name: wild, path: /orders, hosts: ['*.wild.example'], target: '{target}/wild', scopes: [api://a/x]}
";

async fn ask(world: &World, method: &str, host: &str, path: &str) -> Reply {
    let bearer = format!("Bearer {}", world.token());
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    world.send(method, path, &[("authorization", &bearer), ("host", host)], "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_specific_route_wins() {
    let world = World::with_routes(ROUTES).await;
    let cases = [
        ("GET", "any", "/orders/1", "/orders/1"),
        ("GET", "any", "/orders/archive", "/archive"),
        ("GET", "any", "/orders/archive/1", "/archive/1"),
        ("GET", "any", "/orders/archived", "/orders/archived"),
        ("GET", "any", "/reports/1", "/readers/1"),
        ("POST", "any", "/reports/1", "/writers/1"),
        ("GET", "any", "/status", "/exact"),
        ("GET", "api.example", "/orders/1", "/named/1"),
        ("GET", "API.Example:8080", "/orders/1", "/named/1"),
        ("GET", "api.example", "/orders/archive/1", "/named/archive/1"),
        ("GET", "a.wild.example", "/orders/1", "/wild/1"),
        ("GET", "wild.example", "/orders/1", "/orders/1"),
        ("GET", "notapi.example", "/orders/1", "/orders/1"),
        ("GET", "api.example", "/status", "/exact"),
    ];
    for (method, host, path, expected) in cases {
        let reply = ask(&world, method, host, path).await;
        assert_eq!(reply.json()["path"].as_str(), Some(expected), "{method} {host}{path}: {}", reply.text);
    }
    assert_eq!(world.target.total_hits(), cases.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_serves_is_not_found() {
    let world = World::with_routes(ROUTES).await;
    for path in ["/", "/order", "/ordersx", "/Orders/1", "/status/", "/status/1", "/reportsx"] {
        let reply = ask(&world, "GET", "any", path).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (404, "no_route"), "{path}");
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_no_route_serves_is_answered_with_those_that_are() {
    let world = World::with_routes(ROUTES).await;
    let reply = ask(&world, "DELETE", "any", "/reports/1").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (405, "method_not_allowed"));
    let mut allowed: Vec<_> = reply.header("allow").split(", ").collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["GET", "HEAD", "POST"]);
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_learned_of_routes_and_tokens_from_a_path_that_has_no_route() {
    let world = World::with_routes(ROUTES).await;
    let without = world.send(Method::GET, "/none", &[], "").await;
    let with = ask(&world, "GET", "any", "/none").await;
    assert_eq!((without.status, without.challenge()), (with.status, with.challenge()));
}
