//! Faults: what each does to an answer, whom it concerns, and when it ends.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::support::{emulator, exchange, exchange_for, get, json, token_request, valid_form};
use crate::emulator::{CannedAnswer, Effect, Emulator, Endpoint, Fault, TokenRequest};

async fn send(emulator: &Emulator) -> reqwest::Result<reqwest::Response> {
    token_request(emulator).form(&valid_form(&emulator.mint(&TokenRequest::default()))).send().await
}

async fn keys(emulator: &Emulator) -> reqwest::Response {
    get(format!("{}/{}/discovery/v2.0/keys", emulator.url(), emulator.options().tenant_id)).await
}

#[tokio::test]
async fn canned_answer_ends_after_its_count() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::token_answer(429, &[("retry-after", "7")], "slow down").times(2));
    for _ in 0..2 {
        let response = send(&emulator).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &"7".parse().unwrap()));
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(response.text().await.unwrap(), "slow down");
    }
    assert_eq!(send(&emulator).await.unwrap().status(), 200);
    let counters = emulator.counters();
    assert_eq!((counters.token, counters.outcome("fault"), counters.exchanged()), (3, 2, 1));
}

#[tokio::test]
async fn canned_answer_may_replace_the_content_type() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::token_answer(200, &[("content-type", "text/html")], "<html>"));
    assert_eq!(send(&emulator).await.unwrap().headers()["content-type"], "text/html");
}

#[tokio::test]
async fn dropped_connection_has_no_answer() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::at(Endpoint::Token).effect(Effect::Drop).times(1));
    let error = send(&emulator).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert_eq!(send(&emulator).await.unwrap().status(), 200);
}

#[tokio::test]
async fn truncated_answer_is_complete_http_and_half_the_json() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::at(Endpoint::Token).effect(Effect::Truncate));
    let text = send(&emulator).await.unwrap().text().await.unwrap();
    assert!(text.starts_with("{\"token_type\""));
    assert!(serde_json::from_str::<Value>(&text).is_err());
}

#[tokio::test]
async fn cut_answer_breaks_off() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::at(Endpoint::Token).effect(Effect::Cut));
    let mut response = send(&emulator).await.unwrap();
    assert!(response.chunk().await.unwrap().is_some());
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn members_are_set_to_any_json_value_and_removed() {
    let emulator = emulator().await;
    for value in [Value::from("3599"), Value::from(-1), Value::Null] {
        emulator.faults().add(Fault::token_member("expires_in", value.clone()).times(1));
        let (_, answer) = json(send(&emulator).await.unwrap()).await;
        assert_eq!(answer.get("expires_in"), Some(&value));
    }
    emulator.faults().add(Fault::token_without("expires_in"));
    let (_, answer) = json(send(&emulator).await.unwrap()).await;
    assert_eq!((answer.get("expires_in"), &answer["token_type"]), (None, &Value::from("Bearer")));
}

#[tokio::test]
async fn fault_of_one_user_spares_others() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::token_answer(503, &[], "").for_oid("carol"));
    let exchange_of = async |oid| exchange(&emulator, &emulator.mint(&TokenRequest::default().user(oid))).await;
    assert_eq!(exchange_of("dave").await.0, 200);
    let carol = valid_form(&emulator.mint(&TokenRequest::default().user("carol")));
    assert_eq!(token_request(&emulator).form(&carol).send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn fault_of_one_scope_spares_others() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::token_answer(400, &[], "{}").for_scope("api://orders"));
    assert_eq!(exchange_for(&emulator, &TokenRequest::default(), "api://stock/Read").await.0, 200);
    assert_eq!(send(&emulator).await.unwrap().status(), 400);
}

#[tokio::test]
async fn delayed_answer_is_normal() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::at(Endpoint::Jwks).delay(Duration::from_millis(80)).times(1));
    let start = Instant::now();
    assert_eq!(keys(&emulator).await.status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn key_set_fails_without_the_token_endpoint() {
    let emulator = emulator().await;
    let broken = CannedAnswer { status: 500, headers: Vec::new(), body: String::new() };
    emulator.faults().add(Fault::at(Endpoint::Jwks).effect(Effect::Answer(broken)));
    assert_eq!(keys(&emulator).await.status(), 500);
    assert_eq!(send(&emulator).await.unwrap().status(), 200);
    emulator.faults().clear();
    assert_eq!(keys(&emulator).await.status(), 200);
}
