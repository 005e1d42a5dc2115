//! Clients that authenticate with a token of another issuer.

use serde_json::json;

use super::{
    client_support::exchange,
    support::{claims, emulator, get, json as read, listener, post_text, refusal},
};
use crate::emulator::{
    DEFAULT_WORKLOAD, Emulator, EmulatorOptions, FederatedCredential, TokenRequest, jwt::unverified_claims,
};

const MISMATCH: (u16, &str, Option<&str>, u64) = (401, "invalid_client", None, 70_021);
const PRINCIPAL: &str = "cccccccc-1111-2222-3333-dddddddddddd";

#[tokio::test]
async fn trusted_workload_stands_for_the_client() {
    let emulator = emulator().await;
    let token = emulator.mint_federated(DEFAULT_WORKLOAD, 3600);
    // Unlike a client's own assertion, it is used as often as it is good.
    assert_eq!([exchange(&emulator, &token).await.0, exchange(&emulator, &token).await.0], [200, 200]);
    assert_eq!(emulator.recorded()[0].field("client_assertion"), Some(token.as_str()));
}

#[tokio::test]
async fn workload_token_is_signed_by_the_published_keys() {
    let emulator = emulator().await;
    let token = emulator.mint_federated("anybody", 60);
    let issuer = claims(&token)["iss"].as_str().unwrap().to_owned();
    let (_, metadata) = read(get(format!("{issuer}/.well-known/openid-configuration")).await).await;
    assert_eq!(metadata["issuer"], issuer);
    let keys = get(metadata["jwks_uri"].as_str().unwrap().to_owned()).await.text().await.unwrap();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&keys).unwrap();
    let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_audience(&["api://AzureADTokenExchange"]);
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
    jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).unwrap();
}

#[tokio::test]
async fn other_subjects_audiences_and_issuers_are_refused() {
    let emulator = emulator().await;
    let foreign = TokenRequest {
        claims: unverified_claims(&emulator.mint_federated(DEFAULT_WORKLOAD, 60)).unwrap(),
        ..TokenRequest::default()
    };
    let mut other_issuer = foreign.clone();
    other_issuer.claims.insert("iss".to_owned(), json!("https://oidc.example"));
    let tokens = [
        emulator.mint_federated("system:serviceaccount:default:another", 3600),
        emulator.mint_federated_for(DEFAULT_WORKLOAD, "api://another", 3600),
        emulator.mint(&other_issuer),
    ];
    for token in tokens {
        assert_eq!(refusal(&exchange(&emulator, &token).await), MISMATCH);
    }
    // The right claims, but signed by Entra's key in place of the workload issuer's.
    assert_eq!(refusal(&exchange(&emulator, &emulator.mint(&foreign)).await).3, 700_027);
    assert_eq!(emulator.counters().exchanged(), 0);
}

#[tokio::test]
async fn expired_token_is_refused() {
    let emulator = emulator().await;
    let token = emulator.mint_federated(DEFAULT_WORKLOAD, -1);
    assert_eq!(refusal(&exchange(&emulator, &token).await), (401, "invalid_client", None, 700_024));
}

#[tokio::test]
async fn applications_token_of_the_tenant_may_be_trusted_but_no_users() {
    let options = EmulatorOptions {
        federated_credentials: vec![FederatedCredential::managed_identity(PRINCIPAL)],
        ..Default::default()
    };
    let emulator = Emulator::start(listener(), options).await.unwrap();
    let audience = || Some("api://AzureADTokenExchange".to_owned());
    let application = TokenRequest { aud: audience(), ..TokenRequest::app_only().user(PRINCIPAL) };
    assert_eq!(exchange(&emulator, &emulator.mint(&application)).await.0, 200);
    let user = TokenRequest { aud: audience(), ..TokenRequest::default() };
    assert_eq!(refusal(&exchange(&emulator, &emulator.mint(&user)).await).3, 700_229);
    assert_eq!(refusal(&exchange(&emulator, &emulator.mint_federated(DEFAULT_WORKLOAD, 60)).await), MISMATCH);
}

#[tokio::test]
async fn trust_changes_while_it_runs() {
    let emulator = emulator().await;
    let credential = FederatedCredential::workload("another");
    let token = emulator.mint_federated("another", 60);
    emulator.add_federated(credential.clone());
    assert_eq!(exchange(&emulator, &token).await.0, 200);
    assert!(emulator.withdraw_federated(&credential));
    assert_eq!(refusal(&exchange(&emulator, &token).await), MISMATCH);
}

#[tokio::test]
async fn control_mints_and_trusts() {
    let emulator = emulator().await;
    let change = json!({"add_federated": {"subject": "another"}});
    post_text(format!("{}/emulator/credentials", emulator.url()), change.to_string()).await;
    let url = format!("{}/emulator/federated?subject=another&lifetime=60&format=text", emulator.url());
    let token = get(url).await.text().await.unwrap();
    assert_eq!(exchange(&emulator, token.trim_end()).await.0, 200);
}
