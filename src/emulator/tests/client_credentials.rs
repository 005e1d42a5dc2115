//! The registration acts for itself.

use serde_json::{Value, json};

use super::{
    client_support::{self, Signatory},
    support::{claims, emulator, exchange, json as read, listener, refusal, send, token_request, with},
};
use crate::emulator::{DEFAULT_APPLICATION_OID, DEFAULT_WORKLOAD, Emulator, EmulatorOptions, Policy};

fn form() -> Vec<(&'static str, String)> {
    [
        ("grant_type", "client_credentials"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", "emulator-secret"),
        ("scope", "api://orders/.default"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

async fn token(emulator: &Emulator, form: &[(&'static str, String)]) -> (Value, Value) {
    let (status, answer) = send(emulator, form).await;
    assert_eq!(status, 200, "{answer}");
    (claims(answer["access_token"].as_str().unwrap()), answer)
}

#[tokio::test]
async fn gives_an_applications_token_and_no_refresh_token() {
    let emulator = emulator().await;
    let (token, answer) = token(&emulator, &with(form(), "scope", "api://orders/.default")).await;
    let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
    assert_eq!((&token["idtyp"], &token["aud"]), (&json!("app"), &json!("api://orders")));
    assert_eq!((&token["oid"], &token["sub"]), (&json!(DEFAULT_APPLICATION_OID), &json!(DEFAULT_APPLICATION_OID)));
    assert_eq!((&token["roles"], &token["scp"]), (&json!(["Orders.Read.All"]), &Value::Null));
    let counters = emulator.counters();
    assert_eq!((counters.requested("client_credentials"), counters.granted("client_credentials")), (1, 1));
}

#[tokio::test]
async fn roles_are_the_policys() {
    let emulator = emulator().await;
    for (app_roles, expected) in [(vec!["A".to_owned(), "B".to_owned()], json!(["A", "B"])), (Vec::new(), Value::Null)]
    {
        emulator.set_policy(Policy { app_roles, ..Policy::default() });
        assert_eq!(token(&emulator, &form()).await.0["roles"], expected);
    }
}

#[tokio::test]
async fn only_one_default_scope_makes_sense() {
    let emulator = emulator().await;
    for scope in ["api://orders/Read", "api://orders/.default api://orders/Read", "/.default", "a/.default b/.default"]
    {
        let answer = send(&emulator, &with(form(), "scope", scope)).await;
        assert_eq!(refusal(&answer), (400, "invalid_scope", None, 1_002_012), "{scope}");
    }
    assert_eq!(refusal(&send(&emulator, &with(form(), "scope", "")).await).3, 900_144);
    assert_eq!(emulator.counters().granted("client_credentials"), 0);
}

#[tokio::test]
async fn accepts_every_credential() {
    let signatory = Signatory::ec();
    let options = EmulatorOptions { client_certificate: Some(signatory.pem.clone()), ..Default::default() };
    let emulator = Emulator::start(listener(), options).await.unwrap();
    let bare = with(form(), "client_secret", "");
    let basic = token_request(&emulator).basic_auth("00001111-aaaa-2222-bbbb-3333cccc4444", Some("emulator-secret"));
    assert_eq!(read(basic.form(&bare).send().await.unwrap()).await.0, 200);
    let certified = signatory.sign(&signatory.header(), &client_support::claims(&emulator));
    for assertion in [certified, emulator.mint_federated(DEFAULT_WORKLOAD, 60)] {
        let form =
            with(bare.clone(), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        token(&emulator, &with(form, "client_assertion", &assertion)).await;
    }
    assert_eq!(refusal(&send(&emulator, &bare).await).3, 7_000_218);
    assert_eq!(emulator.counters().granted("client_credentials"), 3);
}

#[tokio::test]
async fn token_for_itself_cannot_be_acted_on_behalf_of() {
    let emulator = emulator().await;
    let scope = "api://00001111-aaaa-2222-bbbb-3333cccc4444/.default";
    let (_, answer) = token(&emulator, &with(form(), "scope", scope)).await;
    assert_eq!(refusal(&exchange(&emulator, answer["access_token"].as_str().unwrap()).await).3, 7_000_114);
}

#[tokio::test]
async fn declared_capabilities_reach_the_token() {
    let emulator = emulator().await;
    let form = with(form(), "claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
    assert_eq!(token(&emulator, &form).await.0["xms_cc"], json!(["cp1"]));
}
