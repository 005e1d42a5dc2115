//! The HTTP control API.

use serde_json::{Value, json};

use super::support::{claims, emulator, exchange, exchange_for, get, json as read, post, refusal, token_b};
use crate::emulator::{Counters, Emulator, TokenRequest};

async fn minted(emulator: &Emulator, query: &str) -> String {
    let response = get(format!("{}/emulator/tokens?format=text&{query}", emulator.url())).await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    text.trim_end().to_owned()
}

#[tokio::test]
async fn token_is_minted_by_query() {
    let emulator = emulator().await;
    let token = minted(&emulator, "scp=Orders.Read&acrs=c1,c2&oid=carol&lifetime=60&claims=%7B%22x%22:1%7D").await;
    let claims = claims(&token);
    assert_eq!(claims["scp"], "Orders.Read");
    assert_eq!(claims["acrs"], json!(["c1", "c2"]));
    assert_eq!(claims["oid"], "carol");
    assert_eq!(claims["x"], 1);
    assert_eq!(exchange(&emulator, &token).await.0, 200);
}

#[tokio::test]
async fn token_is_minted_by_json() {
    let emulator = emulator().await;
    let body = r#"{"ver": "1.0", "acrs": "c1", "remove": ["name"], "header": {"nonce": "n"}, "lifetime": -5}"#;
    let (status, answer) = read(post(format!("{}/emulator/tokens", emulator.url()), body).await).await;
    assert_eq!((status, &answer["expires_in"]), (200, &json!(-5)));
    let claims = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&claims["ver"], &claims["acrs"], &claims["name"]), (&json!("1.0"), &json!(["c1"]), &Value::Null));
}

#[tokio::test]
async fn token_satisfies_a_challenge_in_base64() {
    let emulator = emulator().await;
    let challenge = "eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlIjoiYzEifX19";
    let token = minted(&emulator, &format!("claims_challenge={challenge}")).await;
    assert_eq!(claims(&token)["acrs"], json!(["c1"]));
}

#[tokio::test]
async fn unknown_wish_is_refused() {
    let emulator = emulator().await;
    for query in ["scope=x", "lifetime=soon", "claims_challenge=x", "ver=3.0"] {
        let (status, answer) = read(get(format!("{}/emulator/tokens?{query}", emulator.url())).await).await;
        assert_eq!(status, 400, "{answer}");
    }
}

#[tokio::test]
async fn fault_is_added_listed_and_cleared() {
    let emulator = emulator().await;
    let url = format!("{}/emulator/faults", emulator.url());
    let fault = r#"{"times": 1, "effect": {"alter": {"set": {"token_type": "pop"}}}}"#;
    assert_eq!(post(url.clone(), fault).await.status(), 200);
    let (_, answer) = exchange(&emulator, &emulator.mint(&TokenRequest::default())).await;
    assert_eq!(answer["token_type"], "pop");
    post(url.clone(), r#"{"at": "jwks", "effect": "drop"}"#).await;
    assert_eq!(read(get(url.clone()).await).await.1.as_array().unwrap().last().unwrap()["at"], "jwks");
    reqwest::Client::new().delete(&url).send().await.unwrap();
    assert_eq!(read(get(url).await).await.1, json!([]));
}

#[tokio::test]
async fn unknown_fault_is_refused() {
    let emulator = emulator().await;
    let url = format!("{}/emulator/faults", emulator.url());
    assert_eq!(post(url, r#"{"effect": "explode"}"#).await.status(), 400);
}

#[tokio::test]
async fn policy_is_replaced() {
    let emulator = emulator().await;
    let policy = r#"{"step_up_scopes": [], "unconsented_scopes": ["api://orders"]}"#;
    post(format!("{}/emulator/policy", emulator.url()), policy).await;
    assert_eq!(exchange_for(&emulator, &TokenRequest::default(), "api://payroll/Payroll.Read").await.0, 200);
    let answer = exchange(&emulator, &emulator.mint(&TokenRequest::default())).await;
    assert_eq!(refusal(&answer).3, 65_001);
}

#[tokio::test]
async fn key_is_rotated_and_user_revoked() {
    let emulator = emulator().await;
    let (kid, token) = (emulator.kid(), emulator.mint(&TokenRequest::default()));
    let (_, rotated) = read(post(format!("{}/emulator/rotate", emulator.url()), r#"{"keep_old": true}"#).await).await;
    assert_ne!(rotated["kid"], kid);
    assert_eq!(exchange(&emulator, &token).await.0, 200);
    post(format!("{}/emulator/revoke", emulator.url()), "").await;
    assert_eq!(refusal(&exchange(&emulator, &token).await).3, 50_173);
}

#[tokio::test]
async fn counters_are_shown_and_reset() {
    let emulator = emulator().await;
    token_b(&emulator, &TokenRequest::default()).await;
    let (_, counters) = read(get(format!("{}/emulator/counters", emulator.url())).await).await;
    assert_eq!((&counters["token"], &counters["outcomes"]["ok"]), (&json!(1), &json!(1)));
    let (_, requests) = read(get(format!("{}/emulator/requests", emulator.url())).await).await;
    assert_eq!(requests[0]["form"][0][0], "grant_type");
    post(format!("{}/emulator/reset", emulator.url()), "").await;
    assert_eq!((emulator.counters(), emulator.recorded()), (Counters::default(), Vec::new()));
}

#[tokio::test]
async fn start_page_lists_the_control_api() {
    let emulator = emulator().await;
    let page = get(emulator.url().to_owned()).await.text().await.unwrap();
    assert!(page.contains(&format!("curl -s '{}/emulator/tokens?format=text'", emulator.url())), "{page}");
    let missing = get(format!("{}/nothing/here", emulator.url())).await;
    assert_eq!(missing.status(), 404);
}
