//! The identity provider is gone for a while: who has a token notices nothing, nobody waits for long, and it is not
//! asked in vain more often than it takes to find out that it is back.

use std::sync::Arc;
use std::time::Duration;

use obo_proxy::emulator::{Effect, EmulatorOptions, Endpoint, Fault, TokenRequest};
use tokio::time::{Instant, sleep};

use super::{ROUTES, served, world};
use crate::support::{World, at_once, eventually};

fn silent() -> Fault {
    Fault::at(Endpoint::Token).effect(Effect::Drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_with_a_token_notice_nothing_and_others_are_told_when_to_come_back() {
    let world = world().await;
    let token = world.token();
    served(&world, "/orders", &token).await;
    world.emulator.faults().add(silent());
    for turn in 0..50 {
        served(&world, "/orders", &token).await;
        let started = Instant::now();
        let reply = world.get("/orders", &world.token_of(&format!("user-{turn}"))).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "idp_unavailable"));
        assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
        assert!(started.elapsed() < Duration::from_secs(10), "beyond the deadline");
    }
    // Ten attempts open the breaker; what follows are single probes, fewer and fewer.
    assert!(world.token_requests() <= 1 + 10 + 12, "{}", world.token_requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_back_is_found_by_one_request_and_serves_all() {
    let world = Arc::new(world().await);
    world.emulator.faults().add(silent());
    for user in 0..5 {
        assert_eq!(world.get("/orders", &world.token_of(&format!("user-{user}"))).await.status, 503);
    }
    let asked = world.token_requests();
    assert_eq!(asked, 10);
    at_once(50, |user| {
        let world = Arc::clone(&world);
        async move { assert_eq!(world.get("/orders", &world.token_of(&format!("more-{user}"))).await.status, 503) }
    })
    .await;
    assert!(world.token_requests() <= asked + 2, "asked in vain");
    world.emulator.faults().clear();
    let token = world.token();
    eventually("the provider is found", async || world.get("/orders", &token).await.status == 200).await;
    for user in 0..20 {
        served(&world, "/orders", &world.token_of(&format!("user-{user}"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faults_of_one_callers_exchanges_do_not_open_the_breaker() {
    let world = world().await;
    let unlucky = "unlucky-user";
    world.emulator.faults().add(Fault::token_answer(500, &[], "").for_oid(unlucky));
    let token = world.token_of(unlucky);
    for _ in 0..15 {
        assert_eq!(world.get("/orders", &token).await.code(), "idp_unavailable");
    }
    assert_eq!(world.token_requests(), 30);
    served(&world, "/orders", &world.token()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_due_serves_on_while_no_other_can_be_had() {
    for fault in [
        silent(),
        Fault::token_answer(503, &[], ""),
        Fault::token_answer(429, &[("retry-after", "30")], ""),
        Fault::aadsts(7_000_222),
    ] {
        let world = world().await;
        let token = world.token();
        world.emulator.faults().add(Fault::token_member("expires_in", 8).times(1));
        served(&world, "/orders", &token).await;
        world.emulator.faults().add(fault);
        let due = Instant::now() + Duration::from_secs(4);
        while Instant::now() < due + Duration::from_secs(1) {
            served(&world, "/orders", &token).await;
            sleep(Duration::from_millis(50)).await;
        }
        eventually("the token has ended", async || world.get("/orders", &token).await.status != 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_due_does_not_outlive_a_refusal_of_its_caller() {
    let world = world().await;
    let token = world.token();
    world.emulator.faults().add(Fault::token_member("expires_in", 4).times(1));
    served(&world, "/orders", &token).await;
    world.emulator.faults().add(Fault::aadsts(50173));
    let half = Instant::now() + Duration::from_secs(2);
    eventually("the caller is refused", async || world.get("/orders", &token).await.code() == "invalid_token").await;
    assert!(Instant::now() < half + Duration::from_secs(1));
    assert_eq!(world.token_requests(), 2);
}

/// Ten minutes in short: tokens B live for as long as the outage lasts and more.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_with_tokens_is_served_throughout_an_outage() {
    let world = Arc::new(World::with(EmulatorOptions::default(), "    timeout: 1s", ROUTES).await);
    let tokens: Arc<Vec<_>> = Arc::new((0..20).map(|user| world.token_of(&format!("user-{user}"))).collect());
    for token in tokens.iter() {
        served(&world, "/orders", token).await;
    }
    // Connections are taken, and nothing ever comes back.
    world.emulator.faults().add(Fault::at(Endpoint::Token).delay(Duration::from_mins(10)));
    let end = Instant::now() + Duration::from_secs(6);
    let answers = at_once(40, |turn| {
        let (world, tokens) = (Arc::clone(&world), Arc::clone(&tokens));
        async move {
            let mut answers = Vec::new();
            while Instant::now() < end {
                let known = turn % 2 == 0;
                let token = if known { tokens[turn / 2].clone() } else { world.mint(&TokenRequest::default()) };
                let started = Instant::now();
                let reply = world.get("/orders", &token).await;
                answers.push((known, reply.status.as_u16(), reply.header("retry-after").to_owned(), started.elapsed()));
                sleep(Duration::from_millis(20)).await;
            }
            answers
        }
    })
    .await
    .concat();
    for (known, status, retry_after, took) in &answers {
        assert!(*took < Duration::from_secs(3), "{took:?}");
        match known {
            true => assert_eq!(*status, 200),
            false => assert!(matches!(status, 503 | 504) && !retry_after.is_empty(), "{status}"),
        }
    }
    assert!(answers.len() > 200);
}
