//! The main job.

use crate::support::World;

#[tokio::test(flavor = "multi_thread")]
async fn swaps_the_callers_token_and_forwards_the_request() {
    let world = World::start().await;
    let token = world.token();
    let reply = world.get("/orders/1?x=y", &token).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let seen = reply.json();
    assert_eq!((seen["path"].as_str(), seen["query"].as_str()), (Some("/1"), Some("x=y")));
    assert_eq!(seen["authorization"]["claims"]["aud"], "api://orders-backend");
    assert!(!world.target.saw_token(&token));
    assert_eq!(world.token_requests(), 1);
}
