//! Rate limits: who is counted, what is counted, and that nobody else is held back.

use std::sync::Arc;

use http::Method;
use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest, TokenVersion};

use crate::support::log::access_line;
use crate::support::refusal::Refusal;
use crate::support::wire::{Wire, request};
use crate::support::{Reply, World, at_once, eventually, listener};

/// A world whose only limited route is `/limited`.
async fn limited(rate_limit: &str) -> World {
    World::with_routes(&limited_routes(rate_limit)).await
}

fn limited_routes(rate_limit: &str) -> String {
    format!(
        "
  - {{name: limited, path: /limited, target: '{{target}}', scopes: [api://orders-backend/Orders.Read], rate_limit: {rate_limit}}}
  - {{name: orders, path: /orders, target: '{{target}}', scopes: [api://orders-backend/Orders.Read]}}
"
    )
}

/// A world whose callers may cause two exchanges a day.
async fn with_two_exchanges(by: &str) -> World {
    let limit = format!("    exchange_limit: {{requests: 2, per: 24h, by: {by}}}");
    World::with(EmulatorOptions::default(), &limit, crate::support::ROUTES).await
}

const CLIENT: &str = "44445555-aaaa-2222-bbbb-3333cccc4444";
const OTHER_CLIENT: &str = "44445555-aaaa-2222-bbbb-3333cccc5555";

fn token_by(world: &World, user: &str, client: &str) -> String {
    world.mint(&TokenRequest { azp: Some(client.to_owned()), ..TokenRequest::default().user(user) })
}

fn rate_limited() -> Refusal {
    Refusal::new(429, "rate_limited", "The caller sends too many requests")
}

async fn statuses(world: &World, path: &str, token: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(world.get(path, token).await.status.as_u16());
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_counted_whatever_its_tokens_and_nobody_else_is_held_back() {
    let world = limited("{requests: 1, per: 24h, burst: 3, by: user}").await;
    for _ in 0..3 {
        assert_eq!(world.get("/limited", &world.token_of("alice")).await.status, 200);
    }
    let refused = world.get("/limited", &world.token_of("alice")).await;
    rate_limited().retry_after("86400").check(&world, &refused);
    assert_eq!(world.get("/limited", &token_by(&world, "alice", OTHER_CLIENT)).await.status, 429);
    let old_format = TokenRequest { ver: TokenVersion::V1, ..TokenRequest::default().user("alice") };
    assert_eq!(world.get("/limited", &world.mint(&old_format)).await.status, 429);
    assert_eq!(world.get("/limited", &world.token_of("bob")).await.status, 200);
    assert_eq!(world.get("/orders", &world.token_of("alice")).await.status, 200);
    assert_eq!(world.target.total_hits(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_counted_over_all_its_users() {
    let world = limited("{requests: 2, per: 24h, by: client}").await;
    let [one, other] = [CLIENT, OTHER_CLIENT];
    for (user, client, status) in
        [("alice", one, 200), ("bob", one, 200), ("carol", one, 429), ("carol", other, 200), ("alice", one, 429)]
    {
        assert_eq!(world.get("/limited", &token_by(&world, user, client)).await.status, status, "{user} {client}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_counted_before_its_tokens_are_looked_at() {
    let world = limited("{requests: 3, per: 24h, by: address}").await;
    assert_eq!(statuses(&world, "/limited", "junk", 2).await, [401, 401]);
    assert_eq!(world.send(Method::GET, "/limited", &[], "").await.status, 401);
    let looked_up = || world.proxy.metric("obo_proxy_cache_lookups_total{cache=\"caller\",result=\"miss\"}");
    let before = looked_up().await;
    for user in 0..5 {
        let refused = world.get("/limited", &world.token_of(&format!("user-{user}"))).await;
        rate_limited().retry_after("28800").check(&world, &refused);
    }
    assert_eq!(looked_up().await.to_bits(), before.to_bits(), "a token was verified");
    assert_eq!((world.target.total_hits(), world.token_requests()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_those_whom_it_names_are_counted() {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let routes = limited_routes("{requests: 2, per: 24h, by: address}");
    let trusting = |configuration: String| format!("trusted_proxies: [127.0.0.1/32]\n{configuration}");
    let world = World::around(emulator, "", &routes, trusting).await;
    world.proxy.wait_until_ready().await;
    let bearer = format!("Bearer {}", world.token());
    for (hops, status) in [
        ("192.0.2.1", 200),
        ("198.51.100.1, 192.0.2.1", 200),
        ("198.51.100.2, 192.0.2.1", 429),
        ("192.0.2.2", 200),
        ("2001:db8:0:1::1", 200),
        ("2001:db8:0:1::2", 200),
        ("2001:db8:0:1::3", 429),
        ("2001:db8:0:2::3", 200),
    ] {
        let headers = [("authorization", &*bearer), ("x-forwarded-for", hops)];
        assert_eq!(world.send(Method::GET, "/limited", &headers, "").await.status, status, "{hops}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_limits_of_a_list_hold() {
    let world = limited("[{requests: 4, per: 24h, by: address}, {requests: 2, per: 24h, by: user}]").await;
    assert_eq!(statuses(&world, "/limited", &world.token_of("alice"), 3).await, [200, 200, 429]);
    assert_eq!(statuses(&world, "/limited", &world.token_of("bob"), 2).await, [200, 429]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_as_told_is_served_again() {
    let world = limited("{requests: 1, per: 1s, by: user}").await;
    let token = world.token();
    assert_eq!(world.get("/limited", &token).await.status, 200);
    let mut refused = 0;
    eventually("the caller is served again", async || {
        let reply = world.get("/limited", &token).await;
        if reply.status == 429 {
            refused += 1;
            rate_limited().retry_after("1").check(&world, &reply);
        }
        reply.status == 200
    })
    .await;
    assert!(refused > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_leaves_the_connection_usable() {
    let world = limited("{requests: 1, per: 24h, by: user}").await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for (path, status) in [("/limited", 200), ("/limited", 429), ("/orders", 200), ("/limited", 429), ("/orders", 200)]
    {
        assert_eq!(caller.ask(request("GET", path, &token, "")).await.status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_caller_learns_that_its_resources_are_exhausted() {
    let world = limited("{requests: 1, per: 24h, by: user}").await;
    let bearer = format!("Bearer {}", world.token());
    let headers = [("authorization", &*bearer), ("content-type", "application/grpc")];
    world.send(Method::POST, "/limited", &headers, "").await;
    let refused = world.send(Method::POST, "/limited", &headers, "").await;
    assert_eq!((refused.status.as_u16(), refused.header("grpc-status")), (200, "8"));
    assert_eq!((refused.header("retry-after"), refused.text.as_str()), ("86400", ""));
}

async fn is_told(world: &World, refused: &Reply, (limit, route): (&str, &str), reason: &str) {
    let line = access_line(refused.header("x-request-id")).await;
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(429), Some("rate_limited")));
    assert_eq!(line["reason"].as_str(), Some(reason));
    let counted = format!("obo_proxy_rate_limited_total{{by=\"user\",limit=\"{limit}\",route=\"{route}\"}}");
    assert!((world.proxy.metric(&counted).await - 1.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_logged_and_counted() {
    let world = limited("{requests: 1, per: 24h, by: user}").await;
    let token = world.token();
    assert_eq!(world.get("/limited", &token).await.status, 200);
    let refused = world.get("/limited", &token).await;
    is_told(&world, &refused, ("request", "limited"), "more requests than the rate limit by user admits").await;
    assert!((world.proxy.metric("obo_proxy_cache_entries{cache=\"limit\"}").await - 1.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_at_once_get_no_more_than_the_burst() {
    let world = Arc::new(limited("{requests: 10, per: 24h, by: user}").await);
    let token = world.token();
    world.get("/orders", &token).await;
    let statuses = at_once(100, |_| {
        let (world, token) = (Arc::clone(&world), token.clone());
        async move { world.get("/limited", &token).await.status.as_u16() }
    })
    .await;
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((served, statuses.iter().filter(|status| **status == 429).count()), (10, 90));
    assert_eq!(world.target.total_hits(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn exchanges_are_counted_and_what_is_remembered_is_free() {
    let world = with_two_exchanges("user").await;
    let tokens = [world.token_of("alice"), world.token_of("alice")];
    for token in &tokens {
        assert_eq!(world.get("/orders", token).await.status, 200);
    }
    let refused = world.get("/orders", &world.token_of("alice")).await;
    rate_limited().retry_after("43200").check(&world, &refused);
    is_told(&world, &refused, ("exchange", "orders"), "more exchanges than the exchange limit by user admits").await;
    for token in &tokens {
        assert_eq!(statuses(&world, "/orders", token, 5).await, [200; 5]);
    }
    assert_eq!(world.get("/payroll", &tokens[0]).await.status, 429, "another exchange of the same caller");
    assert_eq!(world.get("/orders", &world.token_of("bob")).await.status, 200);
    assert_eq!(world.token_requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exchanges_of_a_client_are_counted_over_its_users() {
    let world = with_two_exchanges("client").await;
    for (user, status) in [("alice", 200), ("bob", 200), ("carol", 429)] {
        assert_eq!(world.get("/orders", &world.token_of(user)).await.status, status, "{user}");
    }
    assert_eq!(world.token_requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_one_exchange_count_once() {
    let world = Arc::new(with_two_exchanges("user").await);
    for turn in 1..=2 {
        let token = world.token();
        let statuses = at_once(50, |_| {
            let (world, token) = (Arc::clone(&world), token.clone());
            async move { world.get("/orders", &token).await.status.as_u16() }
        })
        .await;
        assert_eq!((statuses, world.token_requests()), (vec![200; 50], turn));
    }
    assert_eq!(world.get("/orders", &world.token()).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_no_token_does_not_make_a_caller_exceed_its_limit() {
    let world = with_two_exchanges("user").await;
    let token = world.token();
    // Each 401 makes the proxy forget the token, and try another one while there may be one.
    for _ in 0..5 {
        let reply = world.get("/orders/unauthorized", &token).await;
        assert!(matches!(reply.status.as_u16(), 401 | 429), "{reply:?}");
    }
    assert_eq!(world.token_requests(), 2);
}
