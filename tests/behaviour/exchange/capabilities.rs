//! Continuous access evaluation: who says that claims challenges can be handled gets tokens that can be challenged.

use obo_proxy::emulator::{EmulatorOptions, TokenRequest};
use serde_json::{Value, json};

use super::{ROUTES, served, world};
use crate::support::World;

const CP1: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

fn capable(xms_cc: &[&str]) -> TokenRequest {
    TokenRequest { xms_cc: xms_cc.iter().map(|&value| value.to_owned()).collect(), ..TokenRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_capability_is_declared_for_those_whose_token_says_so_and_for_no_other() {
    for (request, expected) in [
        (capable(&["cp1"]), Some(CP1)),
        (capable(&["CP1", "llt"]), Some(CP1)),
        (capable(&["llt"]), None),
        (TokenRequest::default(), None),
    ] {
        let world = world().await;
        let seen = served(&world, "/orders", &world.mint(&request)).await;
        assert_eq!(world.emulator.recorded()[0].field("claims"), expected);
        let declared = expected.map_or(Value::Null, |_| json!(["cp1"]));
        assert_eq!(seen["authorization"]["claims"]["xms_cc"], declared);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_asks_for_is_merged_with_the_capability() {
    let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let routes = format!(
        "\n  - {{path: /orders, target: '{{target}}', scopes: [api://orders-backend/Orders.Read], claims: '{claims}'}}\n"
    );
    for (request, expected) in [
        (TokenRequest::default(), json!({"access_token": {"acrs": {"essential": true, "value": "c1"}}})),
        (
            capable(&["cp1"]),
            json!({"access_token": {"acrs": {"essential": true, "value": "c1"}, "xms_cc": {"values": ["cp1"]}}}),
        ),
    ] {
        let world = World::with_routes(&routes).await;
        served(&world, "/orders", &world.mint(&request)).await;
        let sent: Value = serde_json::from_str(world.emulator.recorded()[0].field("claims").unwrap()).unwrap();
        assert_eq!(sent, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenged_token_is_forgotten_and_the_next_token_a_starts_clean() {
    let options = EmulatorOptions { cae_expires_in: Some(28 * 3600), ..EmulatorOptions::default() };
    let world = World::with(options, "", ROUTES).await;
    let token = world.mint(&capable(&["cp1"]));
    let first = served(&world, "/orders", &token).await["authorization"]["token_sha256"].clone();
    let challenge = "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"";
    world.target.set_challenge(vec![challenge.to_owned()]);
    let reply = world.get("/orders/challenge", &token).await;
    assert_eq!((reply.status.as_u16(), reply.challenge()), (401, challenge));
    assert_eq!(world.token_requests(), 1, "only the caller can answer the challenge");
    let other = world.mint(&capable(&["cp1"]));
    let second = served(&world, "/orders", &other).await["authorization"]["token_sha256"].clone();
    assert_ne!(first, second);
    let third = served(&world, "/orders", &token).await["authorization"]["token_sha256"].clone();
    assert!(third != first && third != second, "the challenged token is gone");
    assert_eq!(world.token_requests(), 3);
}
