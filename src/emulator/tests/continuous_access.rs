//! Continuous access evaluation: tokens that live long because they can be challenged.

use reqwest::Client;
use serde_json::{Value, json};

use super::support::{claims, emulator, exchange, listener, send, target_with, token_b, valid_form, with};
use crate::emulator::{ClaimsChallenge, Emulator, EmulatorOptions, SampleTarget, SampleTargetOptions, TokenRequest};

const CP1: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
const HOURS: u32 = 3600;

async fn with_options(options: EmulatorOptions) -> Emulator {
    Emulator::start(listener(), options).await.unwrap()
}

/// The answer to an exchange for carol that declares cp1.
async fn capable(emulator: &Emulator) -> Value {
    let form = valid_form(&emulator.mint(&TokenRequest::default().user("carol")));
    let (status, answer) = send(emulator, &with(form, "claims", CP1)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn token(answer: &Value) -> &str {
    answer["access_token"].as_str().unwrap()
}

async fn target_of(emulator: &Emulator) -> SampleTarget {
    target_with(SampleTargetOptions { emulator: Some(emulator.clone()), ..Default::default() }).await
}

async fn call(target: &SampleTarget, token: &str) -> reqwest::Response {
    Client::new().get(format!("{}/me/cae", target.url())).bearer_auth(token).send().await.unwrap()
}

#[tokio::test]
async fn token_of_a_capable_client_lives_as_long_as_the_option_says() {
    for (option, expected) in [(None, 3599), (Some(24 * HOURS), 24 * HOURS), (Some(48 * HOURS), 28 * HOURS)] {
        let emulator = with_options(EmulatorOptions { cae_expires_in: option, ..Default::default() }).await;
        let answer = capable(&emulator).await;
        assert_eq!(answer["expires_in"], expected);
        let claims = claims(token(&answer));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), i64::from(expected));
        let (_, other) = exchange(&emulator, &emulator.mint(&TokenRequest::default())).await;
        assert_eq!(other["expires_in"], 3599);
    }
}

#[tokio::test]
async fn answers_say_when_to_refresh_if_the_option_does() {
    let emulator = with_options(EmulatorOptions { refresh_in: Some(1800), ..Default::default() }).await;
    assert_eq!(capable(&emulator).await["refresh_in"], 1800);
    assert_eq!(capable(&super::support::emulator().await).await.get("refresh_in"), None);
}

#[tokio::test]
async fn revoked_token_is_challenged_only_if_its_client_can_handle_it() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let (with_cp1, without) =
        (capable(&emulator).await, token_b(&emulator, &TokenRequest::default().user("carol")).await);
    assert_eq!(call(&target, token(&with_cp1)).await.status(), 200);
    emulator.revoke_downstream("carol");
    assert_eq!(call(&target, &without).await.status(), 200);
    assert_eq!(call(&target, token(&with_cp1)).await.status(), 401);
    assert_eq!(call(&target, token(&capable(&emulator).await)).await.status(), 200);
}

#[tokio::test]
async fn challenge_demands_a_newer_token() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    target.reject_next(1);
    assert_eq!(call(&target, &token_b(&emulator, &TokenRequest::default()).await).await.status(), 200);
    let refused = call(&target, token(&capable(&emulator).await)).await;
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let (start, claims) = challenge.split_once(r#"error="insufficient_claims", claims=""#).unwrap();
    assert!(start.starts_with(&format!(r#"Bearer authorization_uri="{}/common/"#, emulator.url())), "{challenge}");
    assert!(claims.trim_end_matches('"').parse::<ClaimsChallenge>().is_ok(), "{challenge}");
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, claims.trim_end_matches('"'));
    let decoded: Value = serde_json::from_slice(&decoded.unwrap()).unwrap();
    assert_eq!(decoded["access_token"]["nbf"]["essential"], json!(true));
}

#[tokio::test]
async fn expired_token_is_refused_without_a_challenge() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let expired =
        emulator.mint(&TokenRequest { lifetime: Some(-1), xms_cc: vec!["cp1".to_owned()], ..TokenRequest::default() });
    let refused = call(&target, &expired).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], r#"Bearer error="invalid_token""#);
}
