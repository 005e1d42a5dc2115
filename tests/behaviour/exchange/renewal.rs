//! Tokens that are renewed beside requests, and refresh tokens.

use std::sync::Arc;
use std::time::Duration;

use obo_proxy::emulator::{DEFAULT_USER_OID, EmulatorOptions, Fault};
use tokio::time::sleep;

use super::served;
use crate::support::{World, at_once, eventually};

const ROUTES: &str = r"
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: offline, path: /offline, target: '{target}', scopes: [api://orders-backend/Orders.Read, offline_access]}
";

/// A world whose identity provider wants tokens renewed after one second.
async fn renewing() -> World {
    World::with(EmulatorOptions { refresh_in: Some(1), ..EmulatorOptions::default() }, "", ROUTES).await
}

async fn renewals(world: &World, outcome: &str) -> f64 {
    let name = format!("obo_proxy_renewals_total{{identity=\"default\",outcome=\"{outcome}\"}}");
    world.proxy.metric(&name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_when_the_provider_says_so_by_one_fetch_beside_the_requests() {
    let world = Arc::new(renewing().await);
    let token = world.token();
    let first = served(&world, "/orders", &token).await["authorization"]["token_sha256"].clone();
    sleep(Duration::from_millis(1_050)).await;
    // The renewal takes its time: requests go on with the token that they have.
    world
        .emulator
        .faults()
        .add(Fault::at(obo_proxy::emulator::Endpoint::Token).delay(Duration::from_millis(300)).times(1));
    let during = at_once(100, |_| {
        let (world, token) = (Arc::clone(&world), token.clone());
        async move { served(&world, "/orders", &token).await["authorization"]["token_sha256"].clone() }
    })
    .await;
    assert!(during.iter().all(|digest| *digest == first), "a request waited for the renewal");
    eventually("the token is renewed", async || {
        served(&world, "/orders", &token).await["authorization"]["token_sha256"] != first
    })
    .await;
    assert_eq!(world.token_requests(), 2);
    assert!((renewals(&world, "success").await - 1.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_fails_is_not_noticed_and_not_tried_at_once_again() {
    for fault in [Fault::token_answer(500, &[], ""), Fault::aadsts(50173), Fault::token_answer(429, &[], "")] {
        let world = renewing().await;
        let token = world.token();
        served(&world, "/orders", &token).await;
        world.emulator.faults().add(fault);
        sleep(Duration::from_millis(1_050)).await;
        served(&world, "/orders", &token).await;
        eventually("the renewal has failed", async || renewals(&world, "failure").await > 0.5).await;
        let asked = world.token_requests();
        for _ in 0..20 {
            served(&world, "/orders", &token).await;
        }
        assert_eq!(world.token_requests(), asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_come_back_is_not_renewed() {
    let world = renewing().await;
    served(&world, "/orders", &world.token()).await;
    sleep(Duration::from_millis(1_300)).await;
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_renews_where_offline_access_was_asked_for() {
    let world = renewing().await;
    let token = world.token();
    let first = served(&world, "/offline", &token).await["authorization"]["token_sha256"].clone();
    sleep(Duration::from_millis(1_050)).await;
    eventually("the token is renewed", async || {
        served(&world, "/offline", &token).await["authorization"]["token_sha256"] != first
    })
    .await;
    let counters = world.emulator.counters();
    assert_eq!((counters.granted("on_behalf_of"), counters.granted("refresh_token")), (1, 1));
    let recorded = world.emulator.recorded();
    let form: Vec<_> = recorded[1].form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(form, ["grant_type", "client_id", "client_secret", "refresh_token", "scope"]);
    assert_eq!(recorded[1].field("scope"), Some("api://orders-backend/Orders.Read offline_access"));
    world.keep_secret(recorded[1].field("refresh_token").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_refresh_token_is_dropped_and_the_exchange_is_made_anew() {
    let world = renewing().await;
    let token = world.token();
    let first = served(&world, "/offline", &token).await["authorization"]["token_sha256"].clone();
    world.emulator.end_refresh_tokens(DEFAULT_USER_OID);
    sleep(Duration::from_millis(1_050)).await;
    eventually("the token is renewed", async || {
        served(&world, "/offline", &token).await["authorization"]["token_sha256"] != first
    })
    .await;
    let counters = world.emulator.counters();
    assert_eq!((counters.requested("refresh_token"), counters.granted("refresh_token")), (1, 0));
    assert_eq!(counters.granted("on_behalf_of"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_renewed_beyond_the_callers_own() {
    let options = EmulatorOptions { refresh_in: Some(1), expires_in: 86_399, ..EmulatorOptions::default() };
    let world = World::with(options, "", ROUTES).await;
    let token = world.token();
    served(&world, "/orders", &token).await;
    sleep(Duration::from_millis(1_200)).await;
    for _ in 0..5 {
        served(&world, "/orders", &token).await;
    }
    // The caller's token lives for an hour, token B for a day: a renewal would bring no longer life.
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_take_a_token_gets_one_without_the_refresh_token() {
    let world = World::with_routes(ROUTES).await;
    let token = world.token();
    world.target.reject_next(1);
    served(&world, "/offline/revocable", &token).await;
    let counters = world.emulator.counters();
    assert_eq!((counters.requested("refresh_token"), counters.granted("on_behalf_of")), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_refresh_token_is_asked_about_once() {
    let world = World::with_routes(ROUTES).await;
    let token = world.token();
    world.emulator.faults().add(Fault::token_member("expires_in", 8).times(1));
    served(&world, "/offline", &token).await;
    world.emulator.end_refresh_tokens(DEFAULT_USER_OID);
    world.emulator.faults().add(Fault::token_answer(500, &[], "").for_grant("on_behalf_of"));
    // Once it is due, each request tries to replace the token, in vain, and is served by it.
    sleep(Duration::from_millis(4_050)).await;
    for _ in 0..5 {
        served(&world, "/offline", &token).await;
    }
    let counters = world.emulator.counters();
    assert_eq!(counters.requested("refresh_token"), 1);
    assert!(counters.requested("on_behalf_of") > 5, "{counters:?}");
}
