//! Refusals that are repeated from memory, and waits that the identity provider asked for.

use std::time::{Duration, SystemTime};

use obo_proxy::emulator::{DEFAULT_USER_OID, EmulatorOptions, Fault, Policy, TokenRequest};

use super::{ROUTES, served, world};
use crate::support::{World, eventually};

/// A world in which reading needs a step-up.
async fn step_up_demanded() -> World {
    let policy = Policy { step_up_scopes: vec!["Orders.Read".to_owned()], ..Policy::default() };
    World::with(EmulatorOptions { policy, ..EmulatorOptions::default() }, "", ROUTES).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_is_repeated_from_memory_for_the_same_token_and_no_other() {
    let world = step_up_demanded().await;
    let token = world.token();
    let first = world.get("/orders", &token).await;
    for _ in 0..10 {
        let again = world.get("/orders", &token).await;
        assert_eq!((again.status, again.challenge()), (first.status, first.challenge()));
    }
    assert_eq!((first.status.as_u16(), world.token_requests()), (401, 1));
    let stepped_up = world.mint(&TokenRequest::default().stepped_up("c1"));
    served(&world, "/orders", &stepped_up).await;
    assert_eq!((world.token_requests(), world.target.total_hits()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_nothing_of_another_exchange() {
    let world = step_up_demanded().await;
    let token = world.token();
    assert_eq!(world.get("/orders", &token).await.status, 401);
    served(&world, "/writing", &token).await;
    assert_eq!((world.token_requests(), world.target.total_hits()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_final_refusal_is_remembered() {
    for (code, expected) in [
        (65001, "consent_required"),
        (50105, "exchange_refused"),
        (53003, "exchange_refused"),
        (50173, "invalid_token"),
        (500_131, "invalid_token"),
        (7_000_215, "misconfigured"),
        (500_011, "misconfigured"),
    ] {
        let world = world().await;
        world.emulator.faults().add(Fault::aadsts(code));
        let token = world.token();
        for _ in 0..3 {
            let reply = world.get("/orders", &token).await;
            let answered =
                if reply.code() == "claims_challenge" { "exchange_refused".to_owned() } else { reply.code() };
            assert_eq!(answered, expected, "{code}");
        }
        assert_eq!(world.token_requests(), 1, "{code}");
        world.get("/orders", &world.token()).await;
        assert_eq!(world.token_requests(), 2, "{code}: another token");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_has_an_end_and_can_be_switched_off() {
    let remembering = |ttl: &str| {
        let top = format!("cache: {{refusal_ttl: {ttl}}}\n");
        async move {
            let emulator = obo_proxy::emulator::Emulator::start(crate::support::listener(), EmulatorOptions::default());
            let world = World::around(emulator.await.unwrap(), "", ROUTES, |text| format!("{top}{text}")).await;
            world.proxy.wait_until_ready().await;
            world
        }
    };
    let world = remembering("0s").await;
    world.emulator.faults().add(Fault::aadsts(50105).times(1));
    let token = world.token();
    assert_eq!(world.get("/orders", &token).await.code(), "exchange_refused");
    served(&world, "/orders", &token).await;
    let world = remembering("1s").await;
    world.emulator.faults().add(Fault::aadsts(50105).times(1));
    let token = world.token();
    assert_eq!(world.get("/orders", &token).await.code(), "exchange_refused");
    eventually("the refusal is forgotten", async || world.get("/orders", &token).await.status == 200).await;
    assert_eq!(world.token_requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_with_a_time_holds_back_the_whole_client_and_nobody_who_has_a_token() {
    let world = world().await;
    let served_before = world.token();
    served(&world, "/orders", &served_before).await;
    world.emulator.faults().add(Fault::token_answer(429, &[("retry-after", "2")], "too many requests").times(1));
    let reply = world.get("/orders", &world.token_of("one")).await;
    assert_eq!((reply.code().as_str(), reply.header("retry-after")), ("idp_throttled", "2"));
    for user in 0..20 {
        let reply = world.get("/orders", &world.token_of(&format!("other-{user}"))).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "idp_throttled"));
        assert!(matches!(reply.header("retry-after"), "1" | "2"), "{reply:?}");
        served(&world, "/orders", &served_before).await;
    }
    assert_eq!(world.token_requests(), 2);
    let waiting = world.token_of("one");
    eventually("the wait is over", async || world.get("/orders", &waiting).await.status == 200).await;
    assert_eq!(world.token_requests(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_to_wait_may_be_a_date_and_has_a_bound() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(40));
    for (retry_after, least, most) in [(date.as_str(), 30, 41), ("999999", 299, 300)] {
        let world = world().await;
        world.emulator.faults().add(Fault::token_answer(429, &[("retry-after", retry_after)], ""));
        let reply = world.get("/orders", &world.token()).await;
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((least..=most).contains(&wait), "{retry_after}: {wait}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_concerns_one_caller_holds_back_no_other() {
    let untimed = Fault::token_answer(429, &[], "slow down");
    let faulty = Fault::token_answer(503, &[("retry-after", "30")], "");
    let looping = Fault::aadsts(50196);
    for (fault, code) in [(untimed, "idp_throttled"), (faulty, "idp_unavailable"), (looping, "idp_throttled")] {
        let world = world().await;
        world.emulator.faults().add(fault.for_oid(DEFAULT_USER_OID));
        let token = world.token();
        for _ in 0..5 {
            let reply = world.get("/orders", &token).await;
            assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, code), "{reply:?}");
            assert!(!reply.header("retry-after").is_empty());
        }
        assert_eq!(world.token_requests(), 1, "{code}: the caller itself waits");
        served(&world, "/orders", &world.token_of("somebody-else")).await;
        assert_eq!(world.token_requests(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_of_the_target_finds_the_refusal_of_the_identity_provider_only_once() {
    let world = world().await;
    let token = world.token();
    served(&world, "/orders/revocable", &token).await;
    world.emulator.revoke(DEFAULT_USER_OID);
    for _ in 0..5 {
        assert_eq!(world.get("/orders/revocable", &token).await.code(), "invalid_token");
    }
    assert_eq!(world.token_requests(), 2);
}
