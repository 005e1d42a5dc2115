//! The sample target.

use reqwest::{Client, Method};
use serde_json::Value;

use super::support::{emulator, get, json, listener, token_b};
use crate::emulator::{Emulator, SampleTarget, SampleTargetOptions, TokenRequest};

async fn target() -> SampleTarget {
    SampleTarget::start(listener(), SampleTargetOptions::default()).await.unwrap()
}

async fn target_of(emulator: &Emulator) -> SampleTarget {
    let options = SampleTargetOptions { emulator: Some(emulator.clone()), ..SampleTargetOptions::default() };
    SampleTarget::start(listener(), options).await.unwrap()
}

async fn call(target: &SampleTarget, path: &str, token: &str) -> reqwest::Response {
    Client::new().get(format!("{}{path}", target.url())).bearer_auth(token).send().await.unwrap()
}

#[tokio::test]
async fn echoes_the_request() {
    let target = target().await;
    let request = Client::new().request(Method::PUT, format!("{}/a%2Fb?x=1&x=2", target.url()));
    let (status, echo) = json(request.header("x-test", "yes").body("abc").send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!((&echo["method"], &echo["path"], &echo["query"]), (&"PUT".into(), &"/a%2Fb".into(), &"x=1&x=2".into()));
    assert!(echo["headers"].as_array().unwrap().contains(&serde_json::json!(["x-test", "yes"])));
    assert_eq!(echo["body_bytes"], 3);
    assert_eq!(echo["body_sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!((&echo["authorization"], &echo["tls"]), (&Value::Null, &false.into()));
}

#[tokio::test]
async fn summarises_the_token_without_repeating_it() {
    let (emulator, target) = (emulator().await, target().await);
    let token = token_b(&emulator, &TokenRequest::default()).await;
    let text = call(&target, "/me", &token).await.text().await.unwrap();
    assert!(!text.contains(&token));
    let echo: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(echo["authorization"]["scheme"], "Bearer");
    assert_eq!(echo["authorization"]["claims"]["aud"], "api://orders");
    assert_eq!(target.token_digests(), [echo["authorization"]["token_sha256"].as_str().unwrap()]);
    assert!(target.saw_token(&token));
}

#[tokio::test]
async fn records_requests_with_full_headers() {
    let target = target().await;
    call(&target, "/v1/me?q", "opaque").await;
    call(&target, "/v1/me", "opaque").await;
    let requests = target.requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer opaque"));
    assert_eq!(requests[0].query.as_deref(), Some("q"));
    assert_eq!((target.hits()["/v1/me"], target.total_hits()), (2, 2));
}

#[tokio::test]
async fn tells_over_http_what_arrived_and_does_not_count_that_question() {
    let target = target().await;
    call(&target, "/v1/me", "opaque").await;
    call(&target, "/v1/me", "opaque").await;
    let (status, hits) = json(get(format!("{}/emulator/hits", target.url())).await).await;
    assert_eq!((status, hits), (200, serde_json::json!({"/v1/me": 2})));
    assert_eq!(target.total_hits(), 2);
}

#[tokio::test]
async fn challenges_with_the_configured_headers() {
    let target = target().await;
    let default = call(&target, "/x/challenge", "t").await;
    assert_eq!(default.status(), 401);
    assert!(
        default.headers()["www-authenticate"].to_str().unwrap().contains(r#"error="insufficient_claims", claims=""#)
    );
    target.set_challenge(vec!["Bearer error=\"insufficient_claims\"".to_owned(), "Basic realm=\"x\"".to_owned()]);
    let configured = call(&target, "/challenge", "t").await;
    assert_eq!(configured.headers().get_all("www-authenticate").iter().count(), 2);
}

#[tokio::test]
async fn step_up_path_wants_the_context() {
    let (emulator, target) = (emulator().await, target().await);
    let plain = token_b(&emulator, &TokenRequest::default()).await;
    let stepped_up = token_b(&emulator, &TokenRequest::default().stepped_up("c1")).await;
    assert_eq!(call(&target, "/step-up", &plain).await.status(), 401);
    assert_eq!(call(&target, "/step-up", &stepped_up).await.status(), 200);
}

#[tokio::test]
async fn revocable_path_refuses_revoked_tokens() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let token = token_b(&emulator, &TokenRequest::default().user("carol")).await;
    assert_eq!(call(&target, "/revocable", &token).await.status(), 200);
    emulator.revoke_downstream("carol");
    let refused = call(&target, "/revocable", &token).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], r#"Bearer error="invalid_token""#);
}

#[tokio::test]
async fn revocable_path_refuses_as_often_as_told() {
    let target = target().await;
    target.reject_next(1);
    assert_eq!(call(&target, "/revocable", "t").await.status(), 401);
    assert_eq!(call(&target, "/revocable", "t").await.status(), 200);
}

#[tokio::test]
async fn answers_with_the_status_in_the_path() {
    let target = target().await;
    for status in [204, 304, 418, 503] {
        assert_eq!(call(&target, &format!("/status/{status}"), "t").await.status(), status);
    }
    assert_eq!(call(&target, "/status/abc", "t").await.status(), 400);
    assert_eq!(call(&target, "/unauthorized", "t").await.status(), 401);
}

#[tokio::test]
async fn streams_as_many_bytes_as_asked() {
    let target = target().await;
    let mut response = get(format!("{}/bytes/1000001", target.url())).await;
    assert_eq!(response.content_length(), Some(1_000_001));
    let mut received = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        received += chunk.len();
    }
    assert_eq!(received, 1_000_001);
}

#[tokio::test]
async fn digests_a_large_body() {
    let target = target().await;
    let request = Client::new().post(format!("{}/upload", target.url())).body(vec![0; 8 * 1024 * 1024]);
    let (_, echo) = json(request.send().await.unwrap()).await;
    assert_eq!(echo["body_bytes"], 8 * 1024 * 1024);
    assert_eq!(echo["body_sha256"], "2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74");
}

#[tokio::test]
async fn sends_events_one_by_one() {
    let target = target().await;
    let mut response = get(format!("{}/sse", target.url())).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let first = response.chunk().await.unwrap().unwrap();
    assert_eq!(&first[..], b"id: 1\ndata: event 1\n\n");
    let rest = response.text().await.unwrap();
    assert!(rest.ends_with("id: 3\ndata: event 3\n\n"), "{rest}");
}

#[tokio::test]
async fn slow_path_echoes_in_the_end() {
    let target = target().await;
    assert_eq!(call(&target, "/slow/10", "t").await.status(), 200);
}
