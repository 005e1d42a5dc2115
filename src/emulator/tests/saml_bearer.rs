//! SAML assertions at the sample target: its token endpoint (RFC 7522), and assertions in headers.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::support::{emulator, exchange_for_saml, json as read, target_with};
use crate::emulator::{
    DEFAULT_USER_OID, Emulator, Fault, SampleTarget, SampleTargetOptions, TargetClient, saml::SamlVersion,
};

const SCOPE: &str = "spn:sample-target/.default";

async fn target_of(emulator: &Emulator) -> SampleTarget {
    target_with(SampleTargetOptions { emulator: Some(emulator.clone()), ..Default::default() }).await
}

fn form(assertion: &str) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:saml2-bearer".to_owned()),
        ("assertion", assertion.to_owned()),
        ("scope", "orders".to_owned()),
    ]
}

fn request(target: &SampleTarget) -> RequestBuilder {
    Client::new().post(format!("{}/oauth/token", target.url()))
}

async fn send(target: &SampleTarget, form: &[(&'static str, String)]) -> (u16, Value) {
    read(request(target).form(form).send().await.unwrap()).await
}

async fn call(target: &SampleTarget, path: &str, token: &str) -> u16 {
    let request = Client::new().get(format!("{}{path}", target.url())).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn assertion_of_the_provider_gives_a_token_that_the_target_accepts() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let assertion = exchange_for_saml(&emulator, SCOPE).await;
    let (status, answer) = send(&target, &form(&assertion)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(answer["scope"], "orders");
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!([call(&target, "/own-token", token).await, call(&target, "/me", token).await], [200, 200]);
    assert_eq!(call(&target, "/own-token", "another").await, 401);
    assert_eq!((target.token_counters().requests, target.token_counters().outcome("ok")), (1, 1));
    assert_eq!(target.token_requests()[0].field("assertion"), Some(assertion.as_str()));
    assert_eq!(target.hits()["/oauth/token"], 1);
}

#[tokio::test]
async fn own_token_is_good_until_it_expires_or_is_revoked() {
    let emulator = emulator().await;
    let assertion = exchange_for_saml(&emulator, SCOPE).await;
    let short = target_with(SampleTargetOptions { token_expires_in: Some(0), ..Default::default() }).await;
    let (_, answer) = send(&short, &form(&assertion)).await;
    assert_eq!(call(&short, "/own-token", answer["access_token"].as_str().unwrap()).await, 401);
    let target = target_of(&emulator).await;
    let (_, answer) = send(&target, &form(&assertion)).await;
    target.revoke_own_tokens();
    assert_eq!(call(&target, "/own-token", answer["access_token"].as_str().unwrap()).await, 401);
}

#[tokio::test]
async fn refuses_assertions_of_others_for_others_and_of_the_past() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let issuer = format!("{}/sts/x/", emulator.url());
    let assertions = [
        SamlVersion::Saml2.assertion("https://idp.example/", "carol", "sample-target", 60),
        SamlVersion::Saml2.assertion(&issuer, "carol", "another", 60),
        SamlVersion::Saml2.assertion(&issuer, "carol", "sample-target", 0),
        SamlVersion::Saml1.assertion(&issuer, "carol", "sample-target", 60),
        "no-assertion".to_owned(),
    ];
    for assertion in assertions {
        let (status, answer) = send(&target, &form(&assertion)).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")), "{answer}");
    }
    let (_, good) = send(&target, &form(&SamlVersion::Saml2.assertion(&issuer, "carol", "sample-target", 60))).await;
    assert!(good["access_token"].is_string());
    assert_eq!(target.token_counters().outcome("invalid_grant"), 5);
}

#[tokio::test]
async fn names_the_fault_of_a_form() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let assertion = exchange_for_saml(&emulator, SCOPE).await;
    let without = |name| form(&assertion).into_iter().filter(|(other, _)| *other != name).collect::<Vec<_>>();
    let mut other_grant = without("grant_type");
    other_grant.push(("grant_type", "password".to_owned()));
    let cases = [
        (without("grant_type"), "invalid_request"),
        (without("assertion"), "invalid_request"),
        (other_grant, "unsupported_grant_type"),
    ];
    for (form, error) in cases {
        assert_eq!(send(&target, &form).await.1["error"], error);
    }
    let got = Client::new().get(format!("{}/oauth/token", target.url())).send().await.unwrap();
    assert_eq!((got.status().as_u16(), target.token_counters().outcome("ok")), (405, 0));
}

#[tokio::test]
async fn client_authenticates_where_one_is_known() {
    let emulator = emulator().await;
    let client = TargetClient { client_id: "gateway".to_owned(), client_secret: "s&cret".to_owned() };
    let target = target_with(SampleTargetOptions { token_client: Some(client), ..Default::default() }).await;
    let form = form(&exchange_for_saml(&emulator, SCOPE).await);
    for (secret, status) in [("s&cret", 200), ("wrong", 401)] {
        let mut posted = form.clone();
        posted.extend([("client_id", "gateway".to_owned()), ("client_secret", secret.to_owned())]);
        assert_eq!(send(&target, &posted).await.0, status);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let basic = request(&target).basic_auth("gateway", Some(encoded));
        assert_eq!(basic.form(&form).send().await.unwrap().status(), status);
    }
    assert_eq!(send(&target, &form).await.1["error"], "invalid_client");
    assert_eq!((target.token_counters().outcome("ok"), target.token_counters().outcome("invalid_client")), (2, 3));
}

#[tokio::test]
async fn token_endpoint_meets_faults_of_its_own() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let Fault { effect, .. } = Fault::token_answer(503, &[], "{}");
    target.faults().add(Fault::at(crate::emulator::Endpoint::TargetToken).effect(effect).times(1));
    let form = form(&exchange_for_saml(&emulator, SCOPE).await);
    assert_eq!([send(&target, &form).await.0, send(&target, &form).await.0], [503, 200]);
    let counters = target.token_counters();
    assert_eq!((counters.requests, counters.outcome("fault"), counters.outcome("ok")), (2, 1, 1));
}

#[tokio::test]
async fn assertion_in_any_header_is_summarised_without_being_repeated() {
    let emulator = emulator().await;
    let target = target_of(&emulator).await;
    let assertion = exchange_for_saml(&emulator, SCOPE).await;
    let request = Client::new().get(format!("{}/me", target.url())).header("x-saml", &assertion);
    let text = request.header("x-other", format!("SAML {assertion}")).send().await.unwrap().text().await.unwrap();
    assert!(!text.contains(&assertion), "{text}");
    let echo: Value = serde_json::from_str(&text).unwrap();
    let digest = &target.token_digests()[0];
    let summary = |header| json!({"header": header, "token_sha256": digest, "subject": DEFAULT_USER_OID, "audience": "sample-target"});
    assert_eq!(echo["assertions"], json!([summary("x-saml"), summary("x-other")]));
    let headers = echo["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-saml", format!("sha256:{digest}")])), "{headers:?}");
    assert!(headers.contains(&json!(["x-other", format!("SAML sha256:{digest}")])), "{headers:?}");
    assert!(target.saw_token(&assertion) && target.token_digests().len() == 1);
    assert_eq!(target.requests()[0].header("x-saml"), Some(assertion.as_str()));
}
