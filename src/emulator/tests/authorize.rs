//! The authorization endpoint, and the codes that it gives.

use std::collections::HashMap;

use reqwest::{Client, Response, redirect::Policy};
use serde_json::{Value, json};
use url::Url;

use super::support::{claims, emulator, exchange, get, refusal, send, with};
use crate::emulator::{DEFAULT_USER_OID, Emulator, user_oid};

const CLIENT: &str = "22223333-cccc-4444-dddd-5555eeee6666";
const SCOPE: &str = "api://00001111-aaaa-2222-bbbb-3333cccc4444/access_as_user openid profile offline_access";
const REDIRECT: &str = "http://localhost:1/callback?own=1";
/// Verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn query() -> Vec<(&'static str, String)> {
    [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", SCOPE),
        ("state", "a state"),
        ("nonce", "a nonce"),
        ("login_hint", "carol@contoso.example"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn redemption(code: &str) -> Vec<(&'static str, String)> {
    [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("scope", SCOPE),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

async fn authorize(emulator: &Emulator, query: &[(&'static str, String)]) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().unwrap();
    let url = format!("{}/common/oauth2/v2.0/authorize", emulator.url());
    client.get(Url::parse_with_params(&url, query).unwrap()).send().await.unwrap()
}

fn location(response: &Response) -> Url {
    assert_eq!(response.status(), 302);
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

async fn redirected(emulator: &Emulator, query: &[(&'static str, String)]) -> HashMap<String, String> {
    location(&authorize(emulator, query).await).query_pairs().into_owned().collect()
}

async fn code(emulator: &Emulator) -> String {
    redirected(emulator, &query()).await["code"].clone()
}

#[tokio::test]
async fn redirects_with_code_and_state() {
    let emulator = emulator().await;
    let parameters = redirected(&emulator, &query()).await;
    assert_eq!((parameters["own"].as_str(), parameters["state"].as_str()), ("1", "a state"));
    assert!(parameters.contains_key("code") && !parameters.contains_key("error"));
    assert_eq!((emulator.counters().authorize, emulator.counters().token), (1, 0));
    let (_, listed) = super::support::json(get(format!("{}/emulator/requests/authorize", emulator.url())).await).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(emulator.authorize_requests()[0].field("login_hint"), Some("carol@contoso.example"));
}

#[tokio::test]
async fn code_gives_the_hinted_users_tokens() {
    let emulator = emulator().await;
    let (status, answer) = send(&emulator, &redemption(&code(&emulator).await)).await;
    assert_eq!(status, 200, "{answer}");
    let id_token = claims(answer["id_token"].as_str().unwrap());
    assert_eq!((&id_token["nonce"], &id_token["oid"]), (&json!("a nonce"), &json!(user_oid("carol@contoso.example"))));
    assert!(answer["refresh_token"].is_string() && answer["client_info"].is_string());
    assert_eq!(exchange(&emulator, answer["access_token"].as_str().unwrap()).await.0, 200);
    assert_eq!(emulator.counters().granted("authorization_code"), 1);
}

#[tokio::test]
async fn default_user_signs_in_without_a_hint() {
    let emulator = emulator().await;
    let parameters = redirected(&emulator, &with(query(), "login_hint", "")).await;
    let (_, answer) = send(&emulator, &redemption(&parameters["code"])).await;
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["oid"], DEFAULT_USER_OID);
}

#[tokio::test]
async fn claims_of_the_sign_in_reach_token_a() {
    let emulator = emulator().await;
    let asked = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
    let parameters = redirected(&emulator, &with(query(), "claims", asked)).await;
    let capable = with(redemption(&parameters["code"]), "claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
    let (_, answer) = send(&emulator, &capable).await;
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&token["acrs"], &token["xms_cc"]), (&json!(["c1"]), &json!(["cp1"])));
}

#[tokio::test]
async fn code_is_good_once() {
    let emulator = emulator().await;
    let code = code(&emulator).await;
    assert_eq!(send(&emulator, &redemption(&code)).await.0, 200);
    assert_eq!(refusal(&send(&emulator, &redemption(&code)).await), (400, "invalid_grant", None, 54_005));
}

/// Each change to a valid redemption with the refusal that it meets.
#[tokio::test]
async fn code_is_bound_to_its_request() {
    let emulator = emulator().await;
    let cases = [
        ("code", "1.unknown", "invalid_grant", 70_000),
        ("client_id", "33334444-dddd-5555-eeee-6666ffff7777", "invalid_grant", 70_000),
        ("redirect_uri", "http://localhost:1/other", "invalid_grant", 500_112),
        ("code_verifier", "another", "invalid_grant", 501_481),
        ("code_verifier", "", "invalid_request", 900_144),
    ];
    for (name, value, error, number) in cases {
        let form = with(redemption(&code(&emulator).await), name, value);
        let answer = send(&emulator, &form).await;
        let (status, found, _, code) = refusal(&answer);
        assert_eq!((status, found, code), (400, error, number), "{name}={value}");
    }
    assert_eq!(emulator.counters().granted("authorization_code"), 0);
}

#[tokio::test]
async fn answer_may_be_a_fragment_or_a_form() {
    let emulator = emulator().await;
    let response = authorize(&emulator, &with(query(), "response_mode", "fragment")).await;
    assert!(location(&response).fragment().unwrap().contains("state=a+state"));
    let response = authorize(&emulator, &with(query(), "response_mode", "form_post")).await;
    let page = response.text().await.unwrap();
    assert!(page.contains(r#"<input type="hidden" name="code" value="1."#), "{page}");
    assert!(page.contains(r#"action="http://localhost:1/callback?own=1""#), "{page}");
}

#[tokio::test]
async fn fault_of_a_request_goes_to_the_client() {
    let emulator = emulator().await;
    for (name, value) in [("response_type", "token"), ("scope", ""), ("claims", "cp1"), ("client_id", "")] {
        let parameters = redirected(&emulator, &with(query(), name, value)).await;
        assert_eq!((parameters["error"].as_str(), parameters["state"].as_str()), ("invalid_request", "a state"));
        assert!(!parameters.contains_key("code"), "{name}={value}");
    }
}

#[tokio::test]
async fn nobody_is_redirected_to_nowhere() {
    let emulator = emulator().await;
    for redirect_uri in ["", "callback"] {
        let response = authorize(&emulator, &with(query(), "redirect_uri", redirect_uri)).await;
        let (status, document): (_, Value) = super::support::json(response).await;
        assert_eq!((status, &document["error"]), (400, &json!("invalid_request")));
    }
}
