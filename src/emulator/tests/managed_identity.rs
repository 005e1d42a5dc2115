//! The instance metadata endpoint.

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::{
    client_support::exchange,
    support::{claims, emulator, get, json as read},
};
use crate::emulator::{DEFAULT_MANAGED_IDENTITY_OID, Effect, Emulator, Endpoint, Fault};

const QUERY: &str = "api-version=2018-02-01&resource=api://AzureADTokenExchange";

fn request(emulator: &Emulator, query: &str) -> RequestBuilder {
    Client::new().get(format!("{}/metadata/identity/oauth2/token?{query}", emulator.url()))
}

async fn send(request: RequestBuilder) -> (u16, Value) {
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn answers_in_azures_shape() {
    let emulator = emulator().await;
    let (status, answer) = send(request(&emulator, QUERY).header("metadata", "true")).await;
    assert_eq!(status, 200, "{answer}");
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(answer["expires_in"], "86400");
    assert_eq!(answer["expires_on"], token["exp"].to_string());
    assert_eq!((&answer["resource"], &answer["token_type"]), (&json!("api://AzureADTokenExchange"), &json!("Bearer")));
    assert_eq!((&token["oid"], &token["idtyp"]), (&json!(DEFAULT_MANAGED_IDENTITY_OID), &json!("app")));
    assert_eq!(emulator.counters().managed_identity, 1);
    let (_, listed) = read(get(format!("{}/emulator/requests/managed-identity", emulator.url())).await).await;
    assert_eq!(listed[0]["path"], "/metadata/identity/oauth2/token");
    assert_eq!(emulator.managed_identity_requests()[0].field("api-version"), Some("2018-02-01"));
}

#[tokio::test]
async fn a_slash_at_the_end_of_the_path_changes_nothing() {
    let emulator = emulator().await;
    let request = Client::new().get(format!("{}/metadata/identity/oauth2/token/?{QUERY}", emulator.url()));
    assert_eq!(send(request.header("metadata", "true")).await.0, 200);
}

#[tokio::test]
async fn token_stands_for_the_client() {
    let emulator = emulator().await;
    let (_, answer) = send(request(&emulator, QUERY).header("metadata", "true")).await;
    assert_eq!(exchange(&emulator, answer["access_token"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn demands_its_header() {
    let emulator = emulator().await;
    let forwarded = request(&emulator, QUERY).header("metadata", "true").header("x-forwarded-for", "10.0.0.1");
    for request in [request(&emulator, QUERY), request(&emulator, QUERY).header("metadata", "false"), forwarded] {
        let (status, answer) = send(request).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")));
    }
    assert_eq!(emulator.counters().managed_identity, 3);
}

#[tokio::test]
async fn names_what_the_query_lacks() {
    let emulator = emulator().await;
    let other = format!("{QUERY}&client_id=another");
    for (query, why) in [
        ("resource=x", "The query lacks 'api-version'"),
        ("api-version=2018-02-01", "The query lacks 'resource'"),
        (other.as_str(), "Identity not found"),
    ] {
        let (status, answer) = send(request(&emulator, query).header("metadata", "true")).await;
        assert_eq!((status, &answer["error_description"]), (400, &json!(why)));
    }
}

#[tokio::test]
async fn finds_the_identity_by_its_client_id() {
    let emulator = emulator().await;
    let query = format!("{QUERY}&client_id={}", emulator.options().managed_identity.client_id);
    assert_eq!(send(request(&emulator, &query).header("metadata", "true")).await.0, 200);
}

#[tokio::test]
async fn meets_faults_of_its_own() {
    let emulator = emulator().await;
    for status in [404, 410, 429, 500] {
        let Fault { effect, .. } = Fault::token_answer(status, &[("retry-after", "1")], "{}");
        emulator.faults().add(Fault::at(Endpoint::ManagedIdentity).effect(effect).times(1));
        assert_eq!(send(request(&emulator, QUERY).header("metadata", "true")).await.0, status);
    }
    emulator.faults().add(Fault::at(Endpoint::ManagedIdentity).effect(Effect::Drop));
    assert!(request(&emulator, QUERY).header("metadata", "true").send().await.is_err());
    assert_eq!(emulator.counters().token, 0);
}
