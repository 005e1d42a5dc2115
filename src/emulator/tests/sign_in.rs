//! Public clients: users who sign in by password, and what the tokens they get are good for.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::support::{claims, emulator, exchange, exchange_for, refusal, send, send_to, with};
use crate::emulator::{DEFAULT_USER_OID, Emulator, Fault, Policy, TokenRequest, user_oid};

const CLIENT: &str = "22223333-cccc-4444-dddd-5555eeee6666";
const CAROL: &str = "carol@contoso.example";
const PAYROLL: &str = "api://payroll/Payroll.Read";

/// A password grant for the gateway's own scope.
fn form() -> Vec<(&'static str, String)> {
    [
        ("grant_type", "password"),
        ("client_id", CLIENT),
        ("username", CAROL),
        ("password", "whatever"),
        ("scope", "api://00001111-aaaa-2222-bbbb-3333cccc4444/access_as_user openid profile offline_access"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

async fn sign_in(emulator: &Emulator, form: &[(&'static str, String)]) -> Value {
    let (status, answer) = send(emulator, form).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn token_a(answer: &Value) -> &str {
    answer["access_token"].as_str().unwrap()
}

#[tokio::test]
async fn answers_with_all_that_client_libraries_expect() {
    let emulator = emulator().await;
    let answer = sign_in(&emulator, &form()).await;
    let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = ["access_token", "client_info", "expires_in", "ext_expires_in", "id_token", "refresh_token"];
    assert_eq!(names, [&expected[..], &["scope", "token_type"]].concat());
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3599)));
    assert_eq!(answer["scope"], "api://00001111-aaaa-2222-bbbb-3333cccc4444/access_as_user");
    let counters = emulator.counters();
    assert_eq!((counters.requested("password"), counters.granted("password"), counters.exchanged()), (1, 1, 1));
}

#[tokio::test]
async fn client_info_names_user_and_tenant() {
    let emulator = emulator().await;
    let answer = sign_in(&emulator, &form()).await;
    let info = URL_SAFE_NO_PAD.decode(answer["client_info"].as_str().unwrap()).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info, json!({"uid": user_oid(CAROL), "utid": emulator.options().tenant_id}));
}

#[tokio::test]
async fn id_token_is_for_the_client() {
    let emulator = emulator().await;
    let answer = sign_in(&emulator, &form()).await;
    let id_token = claims(answer["id_token"].as_str().unwrap());
    assert_eq!((&id_token["aud"], &id_token["oid"]), (&json!(CLIENT), &json!(user_oid(CAROL))));
    assert_eq!((&id_token["preferred_username"], &id_token["scp"]), (&json!(CAROL), &Value::Null));
}

#[tokio::test]
async fn token_a_is_for_the_gateway_and_can_be_exchanged() {
    let emulator = emulator().await;
    let answer = sign_in(&emulator, &form()).await;
    let token = claims(token_a(&answer));
    assert_eq!(token["aud"], emulator.options().client_id.as_str());
    assert_eq!((&token["azp"], &token["scp"]), (&json!(CLIENT), &json!("access_as_user")));
    assert_eq!((&token["oid"], &token["name"]), (&json!(user_oid(CAROL)), &json!("carol")));
    assert_eq!(exchange(&emulator, token_a(&answer)).await.0, 200);
    assert_eq!(emulator.counters().granted("on_behalf_of"), 1);
}

#[tokio::test]
async fn default_user_signs_in_under_the_default_name() {
    let emulator = emulator().await;
    let answer = sign_in(&emulator, &with(form(), "username", "User@contoso.example")).await;
    assert_eq!(claims(token_a(&answer))["oid"], DEFAULT_USER_OID);
}

#[tokio::test]
async fn many_tenants_mean_the_emulators_own() {
    let emulator = emulator().await;
    for tenant in ["common", "organizations"] {
        let (status, answer) = send_to(&emulator, tenant, &form()).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(claims(token_a(&answer))["tid"], emulator.options().tenant_id.as_str());
        assert_eq!(exchange(&emulator, token_a(&answer)).await.0, 200);
    }
}

#[tokio::test]
async fn token_for_another_resource_cannot_be_exchanged() {
    let emulator = emulator().await;
    for scope in ["User.Read openid", "openid profile"] {
        let answer = sign_in(&emulator, &with(form(), "scope", scope)).await;
        assert_eq!(claims(token_a(&answer))["aud"], "https://graph.microsoft.com");
        assert_eq!(answer.get("refresh_token"), None);
        assert_eq!(refusal(&exchange(&emulator, token_a(&answer)).await).3, 500_131);
    }
}

#[tokio::test]
async fn answering_the_challenge_satisfies_the_policy() {
    let emulator = emulator().await;
    let first = sign_in(&emulator, &form()).await;
    let (_, refused) = exchange_with(&emulator, &first).await;
    let claims = refused["claims"].as_str().unwrap();
    let second = sign_in(&emulator, &with(form(), "claims", claims)).await;
    assert_eq!(exchange_with(&emulator, &second).await.0, 200);
}

#[tokio::test]
async fn answering_a_challenge_by_policy_id_satisfies_it_too() {
    let emulator = emulator().await;
    let challenge = r#"{"access_token":{"polids":{"essential":true,"values":["9ab03e19"]}}}"#;
    emulator.set_policy(Policy { step_up_claims: Some(challenge.to_owned()), ..Policy::default() });
    let other = r#"{"access_token":{"polids":{"essential":true,"values":["another"]}}}"#;
    let merged = r#"{"access_token":{"polids":{"values":["9ab03e19"]},"xms_cc":{"values":["cp1"]}}}"#;
    for (claims, status) in [(other, 400), (merged, 200)] {
        let answer = sign_in(&emulator, &with(form(), "claims", claims)).await;
        assert_eq!(exchange_with(&emulator, &answer).await.0, status, "{claims}");
    }
    let minted = TokenRequest { claims_challenge: Some(challenge.parse().unwrap()), ..TokenRequest::default() };
    assert_eq!(exchange_for(&emulator, &minted, PAYROLL).await.0, 200);
}

async fn exchange_with(emulator: &Emulator, answer: &Value) -> (u16, Value) {
    let form = super::support::valid_form(token_a(answer));
    send(emulator, &with(form, "scope", PAYROLL)).await
}

#[tokio::test]
async fn declared_capabilities_reach_token_a() {
    let emulator = emulator().await;
    let capable = with(form(), "claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
    assert_eq!(claims(token_a(&sign_in(&emulator, &capable).await))["xms_cc"], json!(["cp1"]));
    assert_eq!(claims(token_a(&sign_in(&emulator, &form()).await))["xms_cc"], Value::Null);
}

/// Each change to a valid form with the refusal that it meets.
#[tokio::test]
async fn names_the_fault_of_a_form() {
    let emulator = emulator().await;
    let invalid = |code| (400, "invalid_request", None, code);
    let cases = [
        ("username", "", invalid(900_144)),
        ("password", "", invalid(900_144)),
        ("scope", "", invalid(900_144)),
        ("client_id", "", invalid(900_144)),
        ("claims", "cp1", invalid(9_002_313)),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444", (401, "invalid_client", None, 7_000_218)),
        ("client_secret", "a-public-client-has-none", (400, "unauthorized_client", None, 700_016)),
    ];
    for (name, value, expected) in cases {
        assert_eq!(refusal(&send(&emulator, &with(form(), name, value)).await), expected, "{name}={value}");
    }
    let counters = emulator.counters();
    assert_eq!((counters.requested("password"), counters.granted("password")), (7, 0));
}

#[tokio::test]
async fn fault_of_one_user_meets_their_sign_in() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::token_answer(503, &[], "{}").for_oid(&user_oid(CAROL)));
    assert_eq!(send(&emulator, &form()).await.0, 503);
    assert_eq!(send(&emulator, &with(form(), "username", "dave")).await.0, 200);
}
