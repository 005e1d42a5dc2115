//! Step-up, consent, key rotation and revocation.

use serde_json::Value;

use super::support::{claims, emulator, exchange, exchange_for, refusal, token_b};
use crate::emulator::{Policy, StepUpShape, TokenRequest};

const PAYROLL: &str = "api://payroll/Payroll.Read";

#[tokio::test]
async fn step_up_comes_with_claims_as_a_json_string() {
    let emulator = emulator().await;
    let answer = exchange_for(&emulator, &TokenRequest::default(), PAYROLL).await;
    assert_eq!(refusal(&answer), (400, "interaction_required", None, 50_079));
    assert_eq!(answer.1["claims"], r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
}

#[tokio::test]
async fn satisfying_the_challenge_gives_a_token() {
    let emulator = emulator().await;
    let (_, refused) = exchange_for(&emulator, &TokenRequest::default(), PAYROLL).await;
    let challenge = refused["claims"].as_str().unwrap().parse().unwrap();
    let request = TokenRequest { claims_challenge: Some(challenge), ..TokenRequest::default() };
    let (status, answer) = exchange_for(&emulator, &request, PAYROLL).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["acrs"][0], "c1");
}

#[tokio::test]
async fn another_context_does_not_satisfy_the_challenge() {
    let emulator = emulator().await;
    let answer = exchange_for(&emulator, &TokenRequest::default().stepped_up("c2"), PAYROLL).await;
    assert_eq!(refusal(&answer).1, "interaction_required");
}

#[tokio::test]
async fn step_up_in_the_other_live_shape() {
    let emulator = emulator().await;
    let claims = r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19"]}}}"#.to_owned();
    let policy =
        Policy { step_up_shape: StepUpShape::BasicAction, step_up_claims: Some(claims.clone()), ..Policy::default() };
    emulator.set_policy(policy);
    let answer = exchange_for(&emulator, &TokenRequest::default(), PAYROLL).await;
    assert_eq!(refusal(&answer), (400, "invalid_grant", Some("basic_action"), 50_079));
    assert_eq!(answer.1["claims"], claims);
}

#[tokio::test]
async fn missing_consent_is_refused_without_claims() {
    let emulator = emulator().await;
    emulator.set_policy(Policy { unconsented_scopes: vec!["api://Orders".to_owned()], ..Policy::default() });
    let answer = exchange(&emulator, &emulator.mint(&TokenRequest::default())).await;
    assert_eq!(refusal(&answer), (400, "invalid_grant", Some("consent_required"), 65_001));
    assert_eq!(answer.1["claims"], Value::Null);
}

#[tokio::test]
async fn rotation_that_keeps_the_old_key_accepts_old_tokens() {
    let emulator = emulator().await;
    let (old_kid, old) = (emulator.kid(), emulator.mint(&TokenRequest::default()));
    assert_ne!(emulator.rotate_key(true).unwrap(), old_kid);
    assert_eq!(exchange(&emulator, &old).await.0, 200);
}

#[tokio::test]
async fn rotation_that_drops_the_old_key_refuses_old_tokens() {
    let emulator = emulator().await;
    let old = emulator.mint(&TokenRequest::default());
    emulator.rotate_key(false).unwrap();
    assert_eq!(refusal(&exchange(&emulator, &old).await), (400, "invalid_grant", None, 50_013));
    token_b(&emulator, &TokenRequest::default()).await;
}

#[tokio::test]
async fn revocation_concerns_earlier_tokens_of_that_user_only() {
    let emulator = emulator().await;
    let carol = TokenRequest::default().user("carol");
    let (earlier, of_carol) = (emulator.mint(&carol), token_b(&emulator, &carol).await);
    let of_dave = token_b(&emulator, &TokenRequest::default().user("dave")).await;
    emulator.revoke("carol");
    assert_eq!(refusal(&exchange(&emulator, &earlier).await), (400, "invalid_grant", None, 50_173));
    let later = token_b(&emulator, &carol).await;
    assert_eq!([&of_carol, &of_dave, &later].map(|token| emulator.is_revoked(token)), [true, false, false]);
}

#[tokio::test]
async fn downstream_revocation_leaves_the_callers_token_good() {
    let emulator = emulator().await;
    let token_a = emulator.mint(&TokenRequest::default().user("carol"));
    let (_, first) = exchange(&emulator, &token_a).await;
    emulator.revoke_downstream("carol");
    let (_, second) = exchange(&emulator, &token_a).await;
    let revoked = |answer: &Value| emulator.is_revoked(answer["access_token"].as_str().unwrap());
    assert_eq!((revoked(&first), revoked(&second)), (true, false));
}
