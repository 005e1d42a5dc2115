//! Metadata documents and key sets, and tokens verified against them by another implementation.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::Value;

use super::support::{emulator, get, json, listener, token_b};
use crate::emulator::{Emulator, EmulatorOptions, TokenRequest, TokenVersion};

#[tokio::test]
async fn minted_token_verifies_against_the_discovered_keys() {
    let emulator = emulator().await;
    let tenant = &emulator.options().tenant_id;
    let document = format!("{}/{tenant}/v2.0/.well-known/openid-configuration", emulator.url());
    let (_, metadata) = json(get(document).await).await;
    let keys = get(metadata["jwks_uri"].as_str().unwrap().to_owned()).await.text().await.unwrap();
    let keys: JwkSet = serde_json::from_str(&keys).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[metadata["issuer"].as_str().unwrap()]);
    validation.set_audience(&[&emulator.options().client_id]);
    let key = DecodingKey::from_jwk(keys.find(&emulator.kid()).unwrap()).unwrap();
    jsonwebtoken::decode::<Value>(emulator.mint(&TokenRequest::default()), &key, &validation).unwrap();
    validation.set_audience(&["api://orders"]);
    jsonwebtoken::decode::<Value>(token_b(&emulator, &TokenRequest::default()).await, &key, &validation).unwrap();
}

#[tokio::test]
async fn each_version_states_its_issuer() {
    let emulator = emulator().await;
    let (url, tenant) = (emulator.url(), &emulator.options().tenant_id);
    let (_, v1) = json(get(format!("{url}/{tenant}/.well-known/openid-configuration")).await).await;
    let (_, v2) = json(get(format!("{url}/{tenant}/v2.0/.well-known/openid-configuration")).await).await;
    assert_eq!(v1["issuer"], format!("{url}/sts/{tenant}/"));
    assert_eq!(v2["issuer"], format!("{url}/{tenant}/v2.0"));
    assert_eq!(v2["token_endpoint"], format!("{url}/{tenant}/oauth2/v2.0/token"));
    let counters = emulator.counters();
    assert_eq!((counters.discovery_v1, counters.discovery_v2, counters.jwks), (1, 1, 0));
}

#[tokio::test]
async fn keys_of_version_2_name_their_issuer() {
    let emulator = emulator().await;
    let (url, tenant) = (emulator.url(), &emulator.options().tenant_id);
    let (_, v1) = json(get(format!("{url}/{tenant}/discovery/keys")).await).await;
    let (_, v2) = json(get(format!("{url}/{tenant}/discovery/v2.0/keys")).await).await;
    assert_eq!(v1["keys"][0]["issuer"], Value::Null);
    assert_eq!(v2["keys"][0]["issuer"], format!("{url}/{tenant}/v2.0"));
    assert_eq!(v2["keys"][0]["alg"], Value::Null);
    assert_eq!(emulator.counters().jwks, 2);
}

#[tokio::test]
async fn metadata_for_many_tenants_has_a_placeholder() {
    let emulator = emulator().await;
    let url = emulator.url();
    let (_, document) = json(get(format!("{url}/common/v2.0/.well-known/openid-configuration")).await).await;
    assert_eq!(document["issuer"], format!("{url}/{{tenantid}}/v2.0"));
}

#[tokio::test]
async fn unknown_tenant_has_no_metadata() {
    let emulator = emulator().await;
    let response = get(format!("{}/contoso/v2.0/.well-known/openid-configuration", emulator.url())).await;
    assert_eq!(json(response).await.1["error_codes"][0], 90_002);
}

#[tokio::test]
async fn public_url_takes_the_place_of_the_local_one() {
    let options =
        EmulatorOptions { public_url: Some("http://emulator:8400/".to_owned()), ..EmulatorOptions::default() };
    let emulator = Emulator::start(listener(), options).await.unwrap();
    let tenant = &emulator.options().tenant_id;
    let (_, document) = json(get(format!("{}/{tenant}/.well-known/openid-configuration", emulator.url())).await).await;
    assert_eq!(document["issuer"], format!("http://emulator:8400/sts/{tenant}/"));
    token_b(&emulator, &TokenRequest { ver: TokenVersion::V1, ..TokenRequest::default() }).await;
}

#[tokio::test]
async fn stopped_emulator_refuses_connections() {
    let emulator = emulator().await;
    emulator.stop();
    emulator.stopped().await;
    assert!(reqwest::get(emulator.url()).await.unwrap_err().is_connect());
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_emulator() {
    let first = emulator().await;
    let (second, url) = (first.clone(), first.url().to_owned());
    drop(first);
    assert!(reqwest::get(&url).await.is_ok());
    drop(second);
    while reqwest::get(&url).await.is_ok() {}
}
