//! SAML assertions on behalf of a caller: where they go, and how long they are used.

use std::time::{Duration, Instant};

use obo_proxy::emulator::{EmulatorOptions, Endpoint, Fault};
use serde_json::json;

use crate::support::{SECRET, World, eventually};

const ROUTES: &str = r"
  - name: header
    path: /header
    target: '{target}'
    scopes: ['spn:sample-target/.default']
    saml: {header: {name: X-SAML-Assertion}}
  - name: scheme
    path: /scheme
    target: '{target}'
    scopes: ['spn:sample-target/.default']
    saml: {version: saml1, header: {scheme: SAML}}
  - name: endpoint
    path: /endpoint
    target: '{target}/own-token'
    scopes: ['spn:sample-target/.default']
    saml: {token_endpoint: {url: '{target}/oauth/token', client_id: gateway, scopes: [orders]}}
";

async fn world() -> World {
    World::with_routes(ROUTES).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_goes_into_the_header_of_the_route_and_is_remembered() {
    let world = world().await;
    let token = world.token();
    let headers = [
        ("authorization", &*format!("Bearer {token}")),
        ("x-saml-assertion", "forged"),
        ("x_saml-assertion", "forged as well"),
    ];
    for _ in 0..3 {
        let reply = world.send(http::Method::GET, "/header", &headers, "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let seen = reply.json();
        assert_eq!(seen["authorization"], json!(null));
        assert_eq!(seen["assertions"].as_array().unwrap().len(), 1, "{seen}");
    }
    let recorded = world.emulator.recorded();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].field("requested_token_type"), Some("urn:ietf:params:oauth:token-type:saml2"));
    let request = &world.target.requests()[0];
    assert_eq!(request.header("x_saml-assertion"), None);
    assert_ne!(request.header("x-saml-assertion"), Some("forged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_may_precede_the_assertion() {
    let world = world().await;
    let reply = world.get("/scheme", &world.token()).await;
    assert_eq!(reply.json()["authorization"]["scheme"], "SAML", "{reply:?}");
    let recorded = world.emulator.recorded();
    assert_eq!(recorded[0].field("requested_token_type"), Some("urn:ietf:params:oauth:token-type:saml1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_used_for_as_long_as_it_says() {
    let world = world().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    world.emulator.faults().add(Fault::token_member("expires_on", now - 5));
    let token = world.token();
    for turn in 1..=3 {
        assert_eq!(world.get("/header", &token).await.status, 200);
        assert_eq!(world.token_requests(), turn, "an assertion that has ended is used once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_never_renewed_by_refresh_token_which_would_bring_an_access_token() {
    let options = EmulatorOptions { refresh_in: Some(1), ..EmulatorOptions::default() };
    let world = World::with(options, "", ROUTES).await;
    world.emulator.faults().add(Fault::token_member("refresh_token", "1.of-an-assertion"));
    let token = world.token();
    assert_eq!(world.get("/header", &token).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(world.get("/header", &token).await.status, 200);
    eventually("the assertion is renewed", async || world.emulator.counters().granted("on_behalf_of") == 2).await;
    assert_eq!(world.emulator.counters().requested("refresh_token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_of_another_type_is_not_forwarded() {
    let world = world().await;
    let other = "urn:ietf:params:oauth:token-type:access_token";
    world.emulator.faults().add(Fault::token_member("issued_token_type", other));
    assert_eq!(world.get("/header", &world.token()).await.code(), "idp_unavailable");
    assert_eq!(world.target.total_hits(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_targets_own_token_endpoint_gives_a_bearer_token_for_the_assertion() {
    let world = world().await;
    let token = world.token();
    for _ in 0..3 {
        assert_eq!(world.get("/endpoint", &token).await.status, 200);
    }
    let asked = world.target.token_requests();
    assert_eq!((world.token_requests(), asked.len()), (1, 1));
    let names: Vec<_> = asked[0].form.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["grant_type", "client_id", "assertion", "scope"]);
    assert_eq!(asked[0].field("grant_type"), Some("urn:ietf:params:oauth:grant-type:saml2-bearer"));
    assert_eq!((asked[0].field("client_id"), asked[0].field("scope")), (Some("gateway"), Some("orders")));
    world.keep_secret(asked[0].field("assertion").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_that_the_target_withdrew_is_replaced_with_the_same_assertion() {
    let world = world().await;
    let token = world.token();
    assert_eq!(world.get("/endpoint", &token).await.status, 200);
    world.target.revoke_own_tokens();
    assert_eq!(world.get("/endpoint", &token).await.status, 200);
    assert_eq!((world.token_requests(), world.target.token_requests().len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_the_target_does_not_take_any_more_is_replaced_once() {
    let world = world().await;
    let token = world.token();
    assert_eq!(world.get("/endpoint", &token).await.status, 200);
    world.target.revoke_own_tokens();
    let refusal = Fault { at: Endpoint::TargetToken, ..refused("invalid_grant") };
    world.target.faults().add(refusal.times(1));
    assert_eq!(world.get("/endpoint", &token).await.status, 200);
    assert_eq!((world.token_requests(), world.target.token_requests().len()), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_targets_token_endpoint_says_is_not_taken_for_the_identity_providers_word() {
    for (error, status, code) in [("invalid_grant", 403, "exchange_refused"), ("invalid_client", 500, "misconfigured")]
    {
        let world = world().await;
        let refusal = Fault { at: Endpoint::TargetToken, ..refused(error) };
        world.target.faults().add(refusal);
        let reply = world.get("/endpoint", &world.token()).await;
        assert_eq!((reply.status.as_u16(), reply.code().as_str(), reply.challenge()), (status, code, ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_legs_together_take_no_longer_than_the_timeout() {
    let world = World::with(EmulatorOptions::default(), "    timeout: 3s", ROUTES).await;
    world.emulator.faults().add(Fault::at(Endpoint::Token).delay(Duration::from_secs(2)));
    world.target.faults().add(Fault::at(Endpoint::TargetToken).delay(Duration::from_mins(10)));
    let started = Instant::now();
    assert_eq!(world.get("/endpoint", &world.token()).await.code(), "idp_timeout");
    assert!(started.elapsed() < Duration::from_millis(4_500), "{:?}", started.elapsed());
}

fn refused(error: &str) -> Fault {
    let body = json!({"error": error, "claims": "{\"access_token\":{}}", "error_codes": [50079]});
    Fault::token_answer(400, &[], &body.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_for_the_assertion_reaches_the_caller() {
    let world = World::with(EmulatorOptions::default(), "", ROUTES).await;
    world.emulator.set_policy(obo_proxy::emulator::Policy {
        step_up_scopes: vec!["sample-target".to_owned()],
        ..obo_proxy::emulator::Policy::default()
    });
    let reply = world.get("/endpoint", &world.token()).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "claims_challenge"));
    assert_eq!((world.target.total_hits(), world.target.token_requests().len()), (0, 0));
    assert!(!reply.text.contains(SECRET));
}
