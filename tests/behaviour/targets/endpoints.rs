//! Targets at several places, and names.

use super::{breaking, nowhere, other_route, route, well};
use crate::support::World;
use crate::support::log::access_line;

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_the_endpoints_in_turn_and_tell_each_the_same_host() {
    let (first, second) = (well().await, well().await);
    let world = World::with_routes(&route(&format!("url: '{}/base', endpoints: ['{}']", first.url, second.url))).await;
    let token = world.token();
    for _ in 0..10 {
        assert_eq!(world.get("/t/x?y", &token).await.status, 200);
    }
    assert_eq!((first.requests(), second.requests()), (5, 5));
    let host = first.url.trim_start_matches("http://");
    for seen in first.received().iter().chain(&second.received()) {
        assert_eq!((seen.header("host").as_str(), seen.start_line().as_str()), (host, "GET /base/x?y HTTP/1.1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_fails_no_request_and_is_passed_over() {
    let (down, up) = (nowhere().await, well().await);
    let world = World::with_routes(&route(&format!("url: '{down}', endpoints: ['{}']", up.url))).await;
    let token = world.token();
    for _ in 0..10 {
        assert_eq!(
            world.send(http::Method::POST, "/t", &[("authorization", &format!("Bearer {token}"))], "x").await.status,
            200
        );
    }
    assert_eq!(up.requests(), 10);
    let metric = async |name: &str| world.proxy.metric(&format!("obo_proxy_target_{name}{{target=\"{down}\"}}")).await;
    assert_eq!((metric("connect_errors_total").await, metric("ejections_total").await), (1.0, 1.0));
    let healthy = async |url: &str| {
        let address = url.trim_start_matches("http://");
        world.proxy.metric(&format!("obo_proxy_target_healthy{{address=\"{address}\",target=\"{down}\"}}")).await
    };
    assert_eq!((healthy(&down).await, healthy(&up.url).await), (0.0, 1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_breaks_off_time_and_again_is_passed_over() {
    let (bad, good) = (breaking().await, well().await);
    let world = World::with_routes(&route(&format!("url: '{}', endpoints: ['{}']", bad.url, good.url))).await;
    let headers = format!("Bearer {}", world.token());
    let mut failed = 0;
    for _ in 0..30 {
        let reply = world.send(http::Method::POST, "/t", &[("authorization", &headers)], "x").await;
        failed += usize::from(reply.status == 502);
    }
    assert_eq!((failed, bad.requests(), good.requests()), (5, 5, 25));
}

#[tokio::test(flavor = "multi_thread")]
async fn least_requests_avoids_the_endpoint_that_is_slow() {
    let (slow, fast) = (super::hanging().await, well().await);
    let settings = format!("url: '{}', endpoints: ['{}'], balance: least_requests", slow.url, fast.url);
    let world = World::with_routes(&route(&settings)).await;
    let (token, url) = (world.token(), world.proxy.url.clone());
    let mut waiting = Vec::new();
    let mut answered = 0;
    // Both at random are the slow one for a quarter of the requests; by turns it would be a half.
    for _ in 0..60 {
        let (asking, before) =
            (crate::support::client().get(format!("{url}/t")).bearer_auth(&token).send(), slow.requests());
        let mut asking = tokio::spawn(asking);
        tokio::select! {
            reply = &mut asking => { reply.unwrap().unwrap(); answered += 1; }
            () = crate::support::eventually("the request has arrived", async || slow.requests() > before) => waiting.push(asking),
        }
    }
    assert!(!waiting.is_empty() && answered > 36, "{answered} answered, {} wait", waiting.len());
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_fails_its_own_route_only() {
    let target = well().await;
    let routes = route("url: 'http://no-such-host.invalid'") + &other_route(&target);
    let world = World::with_routes(&routes).await;
    let token = world.token();
    let reply = world.get("/t", &token).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (502, "target_unavailable"));
    assert_eq!(world.get("/other", &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_to_the_same_target_share_its_connections() {
    let target = well().await;
    let each = |number: usize| {
        let of = format!("target: '{}/{number}', scopes: [api://orders-backend/Orders.Read]", target.url);
        format!("\n  - {{name: r{number}, path: /r{number}, {of}}}")
    };
    let world = World::with_routes(&(0..8).map(each).collect::<String>()).await;
    let token = world.token();
    for number in 0..8 {
        assert_eq!(world.get(&format!("/r{number}"), &token).await.status, 200);
    }
    // A connection gets into the pool a moment after its answer.
    assert!(target.requests() == 8 && target.connections() < 8, "{} connections", target.connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_line_tells_address_attempts_and_the_time_to_connect() {
    let (down, up) = (nowhere().await, well().await);
    let world = World::with_routes(&route(&format!("url: '{down}', endpoints: ['{}']", up.url))).await;
    let authorization = format!("Bearer {}", world.token());
    let id = format!("targets-{:016x}", fastrand::u64(..));
    let headers = [("authorization", authorization.as_str()), ("x-request-id", &id)];
    assert_eq!(world.send(http::Method::GET, "/t", &headers, "").await.status, 200);
    let line = access_line(&id).await;
    assert_eq!((&line["address"], &line["attempts"]), (&up.url.trim_start_matches("http://").into(), &2.into()));
    assert!(line["connect_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert!(line["connect_error"].as_str().unwrap().contains("refused"), "{line}");
}
