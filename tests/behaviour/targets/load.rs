//! The bound of requests at once: a target that hangs ties up its own share only.

use super::{hanging, other_route, route, well};
use crate::support::{World, at_once, client, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_hangs_is_not_asked_more_than_it_may_and_other_routes_notice_nothing() {
    let (slow, fast) = (hanging().await, well().await);
    let routes = route(&format!("url: '{}', max_requests: 8", slow.url)) + &other_route(&fast);
    let world = World::with_routes(&routes).await;
    let (token, url) = (world.token(), world.proxy.url.clone());
    let ask = |path: &str| client().get(format!("{url}{path}")).bearer_auth(&token).send();
    let waiting: Vec<_> = (0..8).map(|_| tokio::spawn(ask("/t"))).collect();
    eventually("all places are taken", async || slow.requests() == 8).await;

    let refused = world.get("/t", &token).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "target_busy"));
    assert_eq!(refused.header("retry-after"), "1");
    let exchanges = world.token_requests();
    let cold = world.token_of("bob");
    assert_eq!(world.get("/t", &cold).await.code(), "target_busy");
    assert_eq!(world.token_requests(), exchanges, "a request without a place costs no exchange");
    let (token, other) = (world.token(), format!("{}/other", world.proxy.url));
    let answers = at_once(100, |_| {
        let asking = client().get(&other).bearer_auth(&token).send();
        async move { asking.await.unwrap().status().as_u16() }
    });
    assert_eq!(answers.await, vec![200; 100]);

    let metric =
        async |name: &str| world.proxy.metric(&format!("obo_proxy_target_{name}{{target=\"{}\"}}", slow.url)).await;
    assert_eq!((metric("requests_in_flight").await, metric("requests_rejected_total").await), (8.0, 2.0));
    assert_eq!(slow.requests(), 8);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    eventually("the places are free again", async || metric("requests_in_flight").await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_refused_take_no_place() {
    let target = well().await;
    let world = World::with_routes(&route(&format!("url: '{}', max_requests: 1", target.url))).await;
    for _ in 0..3 {
        assert_eq!(world.get("/t", "junk").await.status, 401);
    }
    assert_eq!(world.get("/t", &world.token()).await.status, 200);
}
