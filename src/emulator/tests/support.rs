//! A running emulator, and requests to it.

use std::net::TcpListener;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::emulator::{Emulator, EmulatorOptions, SampleTarget, SampleTargetOptions, TokenRequest};

/// A port of its own.
pub(super) fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// An emulator with default options.
pub(super) async fn emulator() -> Emulator {
    Emulator::start(listener(), EmulatorOptions::default()).await.unwrap()
}

/// A sample target with these options.
pub(super) async fn target_with(options: SampleTargetOptions) -> SampleTarget {
    SampleTarget::start(listener(), options).await.unwrap()
}

/// A token request that succeeds; tests change one thing.
pub(super) fn valid_form(assertion: &str) -> Vec<(&'static str, String)> {
    [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", "emulator-secret"),
        ("assertion", assertion),
        ("scope", "api://orders/Orders.Read"),
        ("requested_token_use", "on_behalf_of"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// The form with one parameter changed, added, or, by an empty value, removed.
pub(super) fn with(
    mut form: Vec<(&'static str, String)>,
    name: &'static str,
    value: &str,
) -> Vec<(&'static str, String)> {
    form.retain(|(candidate, _)| *candidate != name);
    if !value.is_empty() {
        form.push((name, value.to_owned()));
    }
    form
}

/// A request to the token endpoint of the default tenant.
pub(super) fn token_request(emulator: &Emulator) -> RequestBuilder {
    token_request_to(emulator, &emulator.options().tenant_id)
}

fn token_request_to(emulator: &Emulator, tenant: &str) -> RequestBuilder {
    Client::new().post(format!("{}/{tenant}/oauth2/v2.0/token", emulator.url()))
}

/// Status and JSON of an answer.
pub(super) async fn json(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

/// Sends a form.
pub(super) async fn send(emulator: &Emulator, form: &[(&'static str, String)]) -> (u16, Value) {
    json(token_request(emulator).form(form).send().await.unwrap()).await
}

/// Sends a form to the token endpoint of another tenant.
pub(super) async fn send_to(emulator: &Emulator, tenant: &str, form: &[(&'static str, String)]) -> (u16, Value) {
    json(token_request_to(emulator, tenant).form(form).send().await.unwrap()).await
}

/// Exchanges a token with a form that is otherwise valid.
pub(super) async fn exchange(emulator: &Emulator, assertion: &str) -> (u16, Value) {
    send(emulator, &valid_form(assertion)).await
}

/// Exchanges the token that `request` describes for `scope`.
pub(super) async fn exchange_for(emulator: &Emulator, request: &TokenRequest, scope: &str) -> (u16, Value) {
    send(emulator, &with(valid_form(&emulator.mint(request)), "scope", scope)).await
}

/// Exchanges a default token for a SAML assertion.
pub(super) async fn exchange_for_saml(emulator: &Emulator, scope: &str) -> String {
    let form = with(valid_form(&emulator.mint(&TokenRequest::default())), "scope", scope);
    let form = with(form, "requested_token_type", "urn:ietf:params:oauth:token-type:saml2");
    let (status, answer) = send(emulator, &form).await;
    assert_eq!(status, 200, "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Exchanges a default token and returns token B.
pub(super) async fn token_b(emulator: &Emulator, request: &TokenRequest) -> String {
    let (status, answer) = exchange(emulator, &emulator.mint(request)).await;
    assert_eq!(status, 200, "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// GETs a URL.
pub(super) async fn get(url: String) -> Response {
    Client::new().get(url).send().await.unwrap()
}

/// POSTs a body without declaring its type.
pub(super) async fn post(url: String, body: &'static str) -> Response {
    Client::new().post(url).body(body).send().await.unwrap()
}

/// POSTs a body made by the test.
pub(super) async fn post_text(url: String, body: String) -> Response {
    Client::new().post(url).body(body).send().await.unwrap()
}

/// The claims of a token.
pub(super) fn claims(token: &str) -> Value {
    crate::emulator::jwt::unverified_claims(token).unwrap().into()
}

/// What the refusal in an answer says: status, error, suberror, code.
pub(super) fn refusal((status, answer): &(u16, Value)) -> (u16, &str, Option<&str>, u64) {
    let code = answer["error_codes"][0].as_u64().unwrap();
    assert!(answer["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{code}: ")), "{answer}");
    (*status, answer["error"].as_str().unwrap(), answer["suberror"].as_str(), code)
}
