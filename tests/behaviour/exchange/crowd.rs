//! Many requests at the same moment: one exchange for each caller, shared by all who wait for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use obo_proxy::emulator::{EmulatorOptions, Endpoint, Fault};
use obo_proxy::server::Departure;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{ROUTES, served, world};
use crate::support::gate::Gate;
use crate::support::raw::read_all;
use crate::support::{Reply, World, at_once, client, eventually};

/// A world whose token endpoint is behind a gate.
async fn gated() -> (Gate, Arc<World>) {
    let (gate, emulator) = Gate::before(EmulatorOptions::default()).await;
    let world = World::around(emulator, "    timeout: 60s", ROUTES, |configuration| configuration).await;
    world.proxy.wait_until_ready().await;
    (gate, Arc::new(world))
}

/// Sends `count` requests with the same token, and returns when the proxy has them all and no token for any.
async fn crowd(world: &Arc<World>, gate: &Gate, token: &str, count: usize) -> Vec<JoinHandle<Reply>> {
    // Verifying takes longer than the rest of the way to the exchange; so it is done beforehand.
    served(world, "/open", token).await;
    gate.shut();
    let request = |_| {
        let (world, token) = (Arc::clone(world), token.to_owned());
        tokio::spawn(async move { world.get("/orders", &token).await })
    };
    let requests = (0..count).map(request).collect();
    let all = f64::from(u32::try_from(count).unwrap());
    eventually("all are in", async || world.proxy.metric("obo_proxy_requests_in_flight").await >= all).await;
    eventually("the exchange has begun", async || gate.waiting() == 1).await;
    assert_eq!(world.token_requests(), 0);
    requests
}

/// How many got which status and code.
async fn outcomes(requests: Vec<JoinHandle<Reply>>) -> BTreeMap<(u16, String), usize> {
    let mut outcomes = BTreeMap::new();
    for request in requests {
        let reply = request.await.unwrap();
        *outcomes.entry((reply.status.as_u16(), reply.code())).or_default() += 1;
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_requests_of_a_caller_share_one_exchange() {
    let (gate, world) = gated().await;
    let requests = crowd(&world, &gate, &world.token(), 1_000).await;
    gate.open();
    assert_eq!(outcomes(requests).await, BTreeMap::from([((200, String::new()), 1_000)]));
    assert_eq!(world.token_requests(), 1);
    assert_eq!((world.target.total_hits(), world.target.token_digests().len()), (1_001, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_first_requests_of_a_caller_share_one_failure() {
    let (gate, world) = gated().await;
    let token = world.token();
    let refusal = r#"{"error":"invalid_grant","error_codes":[50105]}"#;
    // The delay is for a request that was counted and has not quite begun to wait.
    world.emulator.faults().add(Fault::token_answer(400, &[], refusal).delay(Duration::from_millis(500)).times(1));
    let requests = crowd(&world, &gate, &token, 1_000).await;
    gate.open();
    assert_eq!(outcomes(requests).await, BTreeMap::from([((403, "exchange_refused".to_owned()), 1_000)]));
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_not_remembered() {
    let world = world().await;
    let token = world.token();
    world.emulator.faults().add(Fault::token_answer(500, &[], "").times(2));
    assert_eq!(world.get("/orders", &token).await.code(), "idp_unavailable");
    served(&world, "/orders", &token).await;
    assert_eq!((world.token_requests(), world.target.total_hits()), (3, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_callers_at_once_get_a_token_of_their_own_each() {
    let world = Arc::new(world().await);
    let tokens: Arc<Vec<_>> = Arc::new((0..100).map(|user| world.token_of(&format!("user-{user}"))).collect());
    let users = at_once(500, |turn| {
        let (world, tokens) = (Arc::clone(&world), Arc::clone(&tokens));
        async move { served(&world, "/orders", &tokens[turn % 100]).await["authorization"]["claims"]["oid"].clone() }
    })
    .await;
    for (turn, user) in users.iter().enumerate() {
        assert_eq!(*user, format!("user-{}", turn % 100));
    }
    assert_eq!((world.token_requests(), world.target.token_digests().len()), (100, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exchange_survives_the_caller_that_started_it() {
    let (gate, world) = gated().await;
    let token = world.token();
    gate.shut();
    let mut leader = TcpStream::connect(world.proxy.address()).await.unwrap();
    let request = format!("GET /orders/leader HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\r\n");
    leader.write_all(request.as_bytes()).await.unwrap();
    eventually("the exchange has begun", async || gate.waiting() == 1).await;
    drop(leader);
    let followers = crowd(&world, &gate, &token, 10).await;
    gate.open();
    assert_eq!(outcomes(followers).await, BTreeMap::from([((200, String::new()), 10)]));
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_leaves_waits_for_the_exchange_of_its_last_request() {
    let (gate, world) = gated().await;
    let mut world = Arc::into_inner(world).unwrap();
    gate.shut();
    let mut caller = TcpStream::connect(world.proxy.address()).await.unwrap();
    let token = world.token();
    let request =
        format!("GET /orders HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n");
    caller.write_all(request.as_bytes()).await.unwrap();
    eventually("the exchange has begun", async || gate.waiting() == 1).await;
    let readiness = format!("{}/readyz", world.proxy.admin);
    let release = async {
        let is_draining = async || client().get(&readiness).send().await.unwrap().status() == 503;
        eventually("the proxy is leaving", is_draining).await;
        gate.open();
    };
    let (departure, ()) = tokio::join!(world.proxy.stop(), release);
    let answer = String::from_utf8(read_all(&mut caller).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!((departure, world.token_requests(), world.target.total_hits()), (Departure::Clean, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_callers_slow_exchange_holds_up_nobody_else() {
    let world = world().await;
    world.emulator.faults().add(Fault::at(Endpoint::Token).for_oid("slow").delay(Duration::from_mins(1)));
    let world = Arc::new(world);
    let (waiting, slow) = (Arc::clone(&world), world.token_of("slow"));
    let held = tokio::spawn(async move { waiting.get("/orders", &slow).await });
    eventually("the slow exchange has begun", async || world.token_requests() == 1).await;
    served(&world, "/orders", &world.token()).await;
    assert!(!held.is_finished());
    held.abort();
    let _ = held.await;
}
