//! As many connections as there may be, and one more.

use super::{PLAIN, assert_counted, end_of, get, metric, say, world};
use crate::support::eventually;
use crate::support::wire::Wire;

const REFUSED: &str = "obo_proxy_connections_refused_total";

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_and_the_next_finds_room() {
    let world = world(PLAIN, "limits: {connections: 3}").await;
    let token = world.token();
    let mut callers = Vec::new();
    for _ in 0..3 {
        let mut caller = Wire::connect(world.proxy.address()).await;
        assert_eq!(caller.ask(get(&token)).await.status(), 200);
        callers.push(caller);
    }
    assert_eq!(end_of(&mut say(&world, "").await).await.0, b"");
    assert_counted(&world, REFUSED, "reason=\"connections\"", 1).await;
    // Those that were only kept have made room.
    assert_eq!(world.get("/orders/1", &token).await.status, 200);
    eventually("it is counted", async || {
        metric(&world, "obo_proxy_connections_ended_total", "reason=\"room\"").await >= 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_makes_no_room() {
    let world = world(PLAIN, "limits: {connections: 1}").await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    caller.write(crate::support::wire::request("GET", "/orders/slow/500", &token, "")).await;
    eventually("the target has the request", async || world.target.total_hits() == 1).await;
    for _ in 0..5 {
        end_of(&mut say(&world, "").await).await;
    }
    assert_eq!(caller.read_response().await.status(), 200);
    drop(caller);
    eventually("there is room again", async || metric(&world, "obo_proxy_connections", "").await == 0).await;
    assert_eq!(world.get("/orders/1", &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_no_more_connections_than_it_may() {
    let world = world(PLAIN, "limits: {connections_per_address: 2}").await;
    let token = world.token();
    let (mut first, mut second) =
        (Wire::connect(world.proxy.address()).await, Wire::connect(world.proxy.address()).await);
    for caller in [&mut first, &mut second] {
        assert_eq!(caller.ask(get(&token)).await.status(), 200);
    }
    assert_eq!(end_of(&mut say(&world, "").await).await.0, b"");
    assert_counted(&world, REFUSED, "reason=\"connections_per_address\"", 1).await;
    drop(first);
    eventually("one is gone", async || metric(&world, "obo_proxy_connections", "").await == 1).await;
    assert_eq!(world.get("/orders/1", &token).await.status, 200);
}
