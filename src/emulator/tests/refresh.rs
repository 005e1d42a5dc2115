//! Refresh tokens, of users who signed in and of users acted for.

use serde_json::{Value, json};

use super::support::{claims, emulator, exchange_for, post_text, refusal, send, send_to, with};
use crate::emulator::{Emulator, Fault, Policy, TokenRequest, user_oid};

const SCOPE: &str = "api://orders/Orders.Read api://orders/Orders.Write offline_access";
const CLIENT: &str = "22223333-cccc-4444-dddd-5555eeee6666";

/// A request for new tokens of the exchange's client.
fn refresh(token: &str) -> Vec<(&'static str, String)> {
    [
        ("grant_type", "refresh_token"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", "emulator-secret"),
        ("refresh_token", token),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn refresh_token(answer: &Value) -> String {
    answer["refresh_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// The refresh token of an exchange for carol.
async fn exchanged(emulator: &Emulator) -> String {
    let (_, answer) = exchange_for(emulator, &TokenRequest::default().user("carol"), SCOPE).await;
    refresh_token(&answer)
}

/// The refresh token of carol's sign-in to a public client.
async fn signed_in(emulator: &Emulator) -> String {
    let form = [
        ("grant_type", "password"),
        ("client_id", CLIENT),
        ("username", "carol"),
        ("password", "x"),
        ("scope", "api://00001111-aaaa-2222-bbbb-3333cccc4444/access_as_user offline_access"),
    ];
    refresh_token(&send(emulator, &form.map(|(name, value)| (name, value.to_owned()))).await.1)
}

fn public(token: &str) -> Vec<(&'static str, String)> {
    with(with(refresh(token), "client_id", CLIENT), "client_secret", "")
}

#[tokio::test]
async fn exchanges_refresh_token_gives_the_same_users_token() {
    let emulator = emulator().await;
    let (status, answer) = send(&emulator, &refresh(&exchanged(&emulator).await)).await;
    assert_eq!(status, 200, "{answer}");
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&token["oid"], &token["aud"]), (&json!("carol"), &json!("api://orders")));
    assert_eq!((&token["scp"], &answer["expires_in"]), (&json!("Orders.Read Orders.Write"), &json!(3599)));
    let counters = emulator.counters();
    assert_eq!((counters.granted("on_behalf_of"), counters.granted("refresh_token")), (1, 1));
}

#[tokio::test]
async fn every_use_gives_a_new_one_and_the_old_one_stays_good() {
    let emulator = emulator().await;
    let first = exchanged(&emulator).await;
    let second = refresh_token(&send(&emulator, &refresh(&first)).await.1);
    assert_ne!(first, second);
    for token in [first, second] {
        assert_eq!(send(&emulator, &refresh(&token)).await.0, 200);
    }
}

#[tokio::test]
async fn scopes_may_be_fewer_but_no_others() {
    let emulator = emulator().await;
    let form = refresh(&exchanged(&emulator).await);
    let (_, fewer) = send(&emulator, &with(form.clone(), "scope", "api://orders/Orders.Read")).await;
    assert_eq!(fewer["scope"], "api://orders/Orders.Read");
    for scope in ["api://orders/Orders.Delete", "api://payroll/Orders.Read", "api://orders/.default"] {
        let answer = send(&emulator, &with(form.clone(), "scope", scope)).await;
        assert_eq!(refusal(&answer), (400, "invalid_scope", None, 70_011), "{scope}");
    }
}

#[tokio::test]
async fn claims_are_honoured() {
    let emulator = emulator().await;
    let capable = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    let form = with(refresh(&exchanged(&emulator).await), "claims", capable);
    let (_, answer) = send(&emulator, &form).await;
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["xms_cc"], json!(["cp1"]));
}

#[tokio::test]
async fn policy_is_asked_again() {
    let emulator = emulator().await;
    let form = refresh(&exchanged(&emulator).await);
    emulator.set_policy(Policy { step_up_scopes: vec!["Orders".to_owned()], ..Policy::default() });
    let answer = send(&emulator, &form).await;
    assert_eq!(refusal(&answer), (400, "interaction_required", None, 50_079));
    assert!(answer.1["claims"].is_string());
}

#[tokio::test]
async fn it_is_bound_to_client_and_tenant() {
    let emulator = emulator().await;
    let (of_exchange, of_sign_in) = (exchanged(&emulator).await, signed_in(&emulator).await);
    for form in [public(&of_exchange), refresh(&of_sign_in), refresh("1.unknown")] {
        assert_eq!(refusal(&send(&emulator, &form).await), (400, "invalid_grant", Some("bad_token"), 70_000));
    }
    let elsewhere = send_to(&emulator, "99999999-2222-3333-4444-555555555555", &refresh(&of_exchange)).await;
    assert_eq!(refusal(&elsewhere).3, 70_000);
    let unauthenticated = with(refresh(&of_exchange), "client_secret", "");
    assert_eq!(refusal(&send(&emulator, &unauthenticated).await).3, 7_000_218);
}

#[tokio::test]
async fn ended_one_is_refused_and_a_later_one_is_good() {
    let emulator = emulator().await;
    let (carols, daves) = (exchanged(&emulator).await, {
        let (_, answer) = exchange_for(&emulator, &TokenRequest::default().user("dave"), SCOPE).await;
        refresh_token(&answer)
    });
    emulator.end_refresh_tokens("carol");
    let answer = send(&emulator, &refresh(&carols)).await;
    assert_eq!(refusal(&answer), (400, "invalid_grant", Some("bad_token"), 70_043));
    assert_eq!(send(&emulator, &refresh(&daves)).await.0, 200);
    let later = exchanged(&emulator).await;
    assert_eq!(send(&emulator, &refresh(&later)).await.0, 200);
}

#[tokio::test]
async fn revocation_of_the_user_ends_it_too() {
    let emulator = emulator().await;
    let token = exchanged(&emulator).await;
    emulator.revoke("carol");
    assert_eq!(refusal(&send(&emulator, &refresh(&token)).await).3, 50_173);
    emulator.reset();
    assert_eq!(send(&emulator, &refresh(&token)).await.0, 200);
}

#[tokio::test]
async fn control_ends_refresh_tokens_alone() {
    let emulator = emulator().await;
    let form = refresh(&exchanged(&emulator).await);
    let body = json!({"oid": "carol", "refresh_tokens_only": true}).to_string();
    assert_eq!(post_text(format!("{}/emulator/revoke", emulator.url()), body).await.status(), 200);
    assert_eq!(refusal(&send(&emulator, &form).await).3, 70_043);
    assert_eq!(exchange_for(&emulator, &TokenRequest::default().user("carol"), SCOPE).await.0, 200);
}

#[tokio::test]
async fn fault_of_one_user_meets_their_refresh() {
    let emulator = emulator().await;
    let token = exchanged(&emulator).await;
    emulator.faults().add(Fault::token_answer(503, &[], "{}").for_oid("carol"));
    assert_eq!(send(&emulator, &refresh(&token)).await.0, 503);
}

#[tokio::test]
async fn sign_ins_refresh_token_is_good_for_other_scopes() {
    let emulator = emulator().await;
    let form = with(public(&signed_in(&emulator).await), "scope", "User.Read openid");
    let (status, answer) = send(&emulator, &form).await;
    assert_eq!(status, 200, "{answer}");
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&token["aud"], &token["oid"]), (&json!("https://graph.microsoft.com"), &json!(user_oid("carol"))));
    assert!(answer["id_token"].is_string() && answer["refresh_token"].is_string());
}

#[tokio::test]
async fn sign_ins_refresh_can_answer_a_challenge() {
    let emulator = emulator().await;
    let challenge = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let form = with(public(&signed_in(&emulator).await), "claims", challenge);
    let (_, answer) = send(&emulator, &form).await;
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["acrs"], json!(["c1"]));
}
