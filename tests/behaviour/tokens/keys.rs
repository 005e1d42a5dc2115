//! The signing keys of the identity provider: rotation, unknown keys, and a provider that is down.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use obo_proxy::caller::InvalidToken;
use obo_proxy::emulator::{Effect, Emulator, EmulatorOptions, Endpoint, Fault, TokenRequest};
use serde_json::json;

use super::{ROUTES, parts, with_header, world};
use crate::support::log::access_line;
use crate::support::refusal::Refusal;
use crate::support::{World, at_once, eventually, listener};

/// How often the keys were downloaded; each time, that is one document and one key set of each version.
fn downloads(world: &World) -> u64 {
    let counters = world.emulator.counters();
    assert!(counters.jwks <= 2 * counters.discovery_v2, "{counters:?}");
    counters.discovery_v2
}

async fn rotate(world: &World, keep_old: bool) {
    let emulator = world.emulator.clone();
    tokio::task::spawn_blocking(move || emulator.rotate_key(keep_old).unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_fetched_once_and_the_old_one_stays_good_while_it_is_published() {
    let world = world().await;
    let old = world.token();
    assert_eq!(world.get("/open", &old).await.status, 200);
    rotate(&world, true).await;
    let before = downloads(&world);
    for token in [world.token(), world.token_of("another user"), old] {
        assert_eq!(world.get("/open", &token).await.status, 200);
    }
    assert_eq!(downloads(&world), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_token_is_refused_once_its_key_was_removed() {
    let world = world().await;
    let old = world.token();
    assert_eq!(world.get("/orders", &old).await.status, 200);
    rotate(&world, false).await;
    assert_eq!(world.get("/orders", &world.token()).await.status, 200);
    let (exchanges, hits, before) = (world.token_requests(), world.target.total_hits(), downloads(&world));
    let reply = world.get("/orders", &old).await;
    Refusal::invalid_token(&world).check(&world, &reply);
    let line = access_line(reply.header("x-request-id")).await;
    assert_eq!(line["reason"], InvalidToken::UnknownKey.reason());
    let after = (world.token_requests(), world.target.total_hits(), downloads(&world));
    assert_eq!(after, (exchanges, hits, before));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_unknown_keys_cause_one_download() {
    let world = Arc::new(world().await);
    let [_, payload, signature] = parts(&world.token());
    let before = downloads(&world);
    let (url, client) = (world.proxy.url.clone(), reqwest::Client::new());
    let refused = at_once(100, |lane| {
        let (url, client, payload, signature) = (url.clone(), client.clone(), payload.clone(), signature.clone());
        async move {
            let mut refused = 0;
            for turn in 0..100 {
                let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("key-{lane}-{turn}")}).to_string();
                let token = format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header));
                let reply = client.get(format!("{url}/orders")).bearer_auth(token).send().await.unwrap();
                refused += usize::from(reply.status() == 401);
            }
            refused
        }
    })
    .await;
    assert_eq!(refused.iter().sum::<usize>(), 10_000);
    assert_eq!(downloads(&world), before + 1);
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
    assert_eq!(world.get("/orders", &world.token()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_bad_in_another_way_cause_no_download() {
    let world = world().await;
    let before = downloads(&world);
    let unknown_key = || with_header(json!({"kid": "unknown"}));
    for request in [
        TokenRequest { lifetime: Some(-3600), ..unknown_key() },
        TokenRequest { aud: Some("api://payroll".to_owned()), ..unknown_key() },
        TokenRequest { remove: vec!["tid".to_owned()], ..unknown_key() },
    ] {
        assert_eq!(world.get("/open", &world.mint(&request)).await.code(), "invalid_token");
    }
    assert_eq!((downloads(&world), world.target.total_hits()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_download_keeps_the_last_good_keys() {
    let canned = |body: &str| Fault { at: Endpoint::Jwks, ..Fault::token_answer(200, &[], body) };
    let faults = [
        Fault::at(Endpoint::Jwks).effect(Effect::Drop),
        Fault::at(Endpoint::Discovery).effect(Effect::Truncate),
        Fault { at: Endpoint::Jwks, ..Fault::token_answer(503, &[], "") },
        canned("{\"keys\":[]}"),
        canned("<html>"),
    ];
    for fault in faults {
        let world = world().await;
        world.emulator.faults().add(fault.clone());
        let before = world.emulator.counters().discovery_v2;
        let unknown = world.mint(&with_header(json!({"kid": "unknown"})));
        assert_eq!(world.get("/open", &unknown).await.code(), "idp_unavailable", "it may be a new key: {fault:?}");
        assert!(world.emulator.counters().discovery_v2 > before, "{fault:?}");
        assert_eq!(world.get("/open", &world.token()).await.status, 200, "{fault:?}");
        assert_eq!(world.proxy.admin("/readyz").await.0, 200);
        world.emulator.faults().clear();
        eventually("the keys are fetched again without being asked for", async || {
            world.get("/open", &unknown).await.code() == "invalid_token"
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_the_proxy_is_not_ready_and_asks_to_wait_until_the_provider_is_back() {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    emulator.faults().add(Fault::at(Endpoint::Discovery).effect(Effect::Drop));
    let world = World::around(emulator, "", ROUTES, |configuration| configuration).await;
    assert_eq!(world.proxy.admin("/readyz").await.0, 503);
    assert_eq!(world.proxy.admin("/healthz").await.0, 200);
    let token = world.token();
    Refusal::idp_unavailable().check(&world, &world.get("/orders", &token).await);
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
    world.emulator.faults().clear();
    world.proxy.wait_until_ready().await;
    assert_eq!(world.get("/orders", &token).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_at_the_start_does_not_hold_up_callers() {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    emulator.faults().add(Fault::at(Endpoint::Jwks).delay(Duration::from_mins(1)));
    let world = World::around(emulator, "", ROUTES, |configuration| configuration).await;
    eventually("the key sets are being fetched", async || world.emulator.counters().jwks == 2).await;
    Refusal::idp_unavailable().check(&world, &world.get("/orders", &world.token()).await);
    assert_eq!((downloads(&world), world.token_requests(), world.target.total_hits()), (1, 0, 0));
}
