//! The authorization server beside Entra: its documents, its tokens, and token exchange.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use super::{
    client_support::{self, Signatory},
    support::{claims, emulator, get, json as read, listener, post_text, refusal, send, with},
};
use crate::emulator::{
    DEFAULT_USER_OID, Emulator, EmulatorOptions, Endpoint, Fault, Policy, RealmTokenRequest, Signer, TokenRequest,
};

type Form = Vec<(&'static str, String)>;

/// A token exchange that succeeds; tests change one thing.
fn form(subject_token: &str) -> Form {
    [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", "emulator-secret"),
        ("subject_token", subject_token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "orders"),
        ("scope", "orders.read"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

fn request(emulator: &Emulator) -> RequestBuilder {
    Client::new().post(format!("{}/protocol/openid-connect/token", emulator.realm_url("sample")))
}

async fn exchange(emulator: &Emulator, form: &Form) -> (u16, Value) {
    read(request(emulator).form(form).send().await.unwrap()).await
}

fn token_a(emulator: &Emulator) -> String {
    emulator.mint_realm(&RealmTokenRequest::default())
}

#[tokio::test]
async fn token_has_the_claims_of_no_vendor() {
    let emulator = emulator().await;
    let token = claims(&token_a(&emulator));
    assert_eq!(token["iss"], format!("{}/realms/sample", emulator.url()));
    assert_eq!((&token["sub"], &token["scope"]), (&json!(DEFAULT_USER_OID), &json!("access_as_user")));
    assert_eq!(token["aud"], emulator.options().client_id.as_str());
    for name in ["tid", "oid", "scp", "ver", "client_id"] {
        assert_eq!(token.get(name), None, "{name}");
    }
}

#[tokio::test]
async fn token_of_rfc_9068_says_so_and_names_its_client() {
    let emulator = emulator().await;
    let token =
        emulator.mint_realm(&RealmTokenRequest { typ: Some("at+jwt".to_owned()), ..RealmTokenRequest::default() });
    assert_eq!(jsonwebtoken::decode_header(&token).unwrap().typ.as_deref(), Some("at+jwt"));
    assert_eq!(claims(&token)["client_id"], claims(&token)["azp"]);
}

#[tokio::test]
async fn token_verifies_against_the_discovered_keys() {
    let emulator = emulator().await;
    let issuer = emulator.realm_url("sample");
    let (_, metadata) = read(get(format!("{issuer}/.well-known/openid-configuration")).await).await;
    assert_eq!(metadata["issuer"], issuer);
    let keys = get(metadata["jwks_uri"].as_str().unwrap().to_owned()).await.text().await.unwrap();
    let keys: JwkSet = serde_json::from_str(&keys).unwrap();
    assert!(keys.find(&emulator.kid()).is_none());
    let verify = |token: String| {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[&emulator.options().client_id]);
        let kid = jsonwebtoken::decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        jsonwebtoken::decode::<Value>(token, &key, &validation)
    };
    assert!(verify(token_a(&emulator)).is_ok());
    assert!(verify(emulator.mint_realm_with(&RealmTokenRequest::default(), Signer::Foreign)).is_err());
    let counters = emulator.counters();
    assert_eq!((counters.realm_discovery, counters.realm_keys), (1, 1));
}

#[tokio::test]
async fn rotated_key_is_published_alone() {
    let emulator = emulator().await;
    let old = token_a(&emulator);
    let kid = emulator.rotate_realm_key(false).unwrap();
    let url = format!("{}/protocol/openid-connect/certs", emulator.realm_url("sample"));
    let (_, keys) = read(get(url).await).await;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert_eq!(keys["keys"][0]["kid"], kid);
    assert_eq!(exchange(&emulator, &form(&old)).await.1["error"], "invalid_request");
}

#[tokio::test]
async fn exchange_answers_in_the_standards_shape() {
    let emulator = emulator().await;
    let (status, answer) = exchange(&emulator, &form(&token_a(&emulator))).await;
    assert_eq!(status, 200, "{answer}");
    let mut names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"]);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3599)));
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!((&token["aud"], &token["scope"]), (&json!("orders"), &json!("orders.read")));
    assert_eq!((&token["sub"], &token["azp"]), (&json!(DEFAULT_USER_OID), &json!(emulator.options().client_id)));
    let counters = emulator.counters();
    assert_eq!((counters.realm_token, counters.realm_outcome("ok"), counters.token), (1, 1, 0));
    assert_eq!(emulator.recorded()[0].path, "/realms/sample/protocol/openid-connect/token");
}

#[tokio::test]
async fn audiences_and_resources_may_be_several() {
    let emulator = emulator().await;
    let mut form = form(&token_a(&emulator));
    for (name, value) in [("audience", "stock"), ("resource", "https://a.example"), ("resource", "https://b.example/x")]
    {
        form.push((name, value.to_owned()));
    }
    let (_, answer) = exchange(&emulator, &form).await;
    let token = claims(answer["access_token"].as_str().unwrap());
    assert_eq!(token["aud"], json!(["orders", "stock", "https://a.example", "https://b.example/x"]));
}

#[tokio::test]
async fn kind_of_token_can_be_asked_for() {
    let emulator = emulator().await;
    for (kind, token_type) in [("access_token", "Bearer"), ("jwt", "N_A"), ("saml2", "N_A")] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let (_, answer) = exchange(&emulator, &with(form(&token_a(&emulator)), "requested_token_type", &kind)).await;
        assert_eq!((&answer["issued_token_type"], &answer["token_type"]), (&json!(kind), &json!(token_type)));
    }
}

#[tokio::test]
async fn offline_access_alone_brings_a_refresh_token() {
    let emulator = emulator().await;
    let form = with(form(&token_a(&emulator)), "scope", "orders.read offline_access");
    assert!(exchange(&emulator, &form).await.1["refresh_token"].is_string());
}

/// Each change to a valid form with the error that it meets.
#[tokio::test]
async fn names_the_fault_of_a_form() {
    let emulator = emulator().await;
    let valid = form(&token_a(&emulator));
    let cases = [
        ("grant_type", "password", 400, "unsupported_grant_type"),
        ("grant_type", "", 400, "invalid_request"),
        ("client_id", "", 400, "invalid_request"),
        ("client_id", "another", 401, "invalid_client"),
        ("client_secret", "wrong", 401, "invalid_client"),
        ("client_secret", "", 401, "invalid_client"),
        ("subject_token", "", 400, "invalid_request"),
        ("subject_token", "x", 400, "invalid_request"),
        ("subject_token_type", "", 400, "invalid_request"),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2", 400, "invalid_request"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:id_token", 400, "invalid_request"),
        ("actor_token", "x", 400, "invalid_request"),
        ("resource", "orders", 400, "invalid_target"),
        ("resource", "https://a.example/#x", 400, "invalid_target"),
    ];
    for (name, value, status, error) in cases {
        let answer = exchange(&emulator, &with(valid.clone(), name, value)).await;
        assert_eq!((answer.0, &answer.1["error"]), (status, &json!(error)), "{name}={value}");
    }
    let mut repeated = valid.clone();
    repeated.push(("scope", "x".to_owned()));
    assert_eq!(exchange(&emulator, &repeated).await.1["error"], "invalid_request");
    let counters = emulator.counters();
    assert_eq!((counters.realm_outcome("ok"), counters.realm_outcome("invalid_client")), (0, 3));
}

#[tokio::test]
async fn refuses_subject_tokens_of_others() {
    let emulator = emulator().await;
    let default = RealmTokenRequest::default;
    let tokens = [
        emulator.mint(&TokenRequest::default()),
        emulator.mint_realm(&RealmTokenRequest { realm: "another".to_owned(), ..default() }),
        emulator.mint_realm(&RealmTokenRequest { aud: vec!["another".to_owned()], ..default() }),
        emulator.mint_realm(&RealmTokenRequest { lifetime: Some(-1), ..default() }),
        emulator.mint_realm_with(&default(), Signer::Foreign),
        emulator.mint_realm_with(&default(), Signer::Unsigned),
    ];
    for token in tokens {
        let (status, answer) = exchange(&emulator, &form(&token)).await;
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{answer}");
    }
}

#[tokio::test]
async fn policy_refuses_targets_and_scopes() {
    let emulator = emulator().await;
    let refused = |targets: &[&str], scopes: &[&str]| Policy {
        refused_targets: targets.iter().map(|&target| target.to_owned()).collect(),
        refused_scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..Policy::default()
    };
    for (policy, error) in
        [(refused(&["orders"], &[]), "invalid_target"), (refused(&[], &["orders.read"]), "invalid_scope")]
    {
        emulator.set_policy(policy);
        let (status, answer) = exchange(&emulator, &form(&token_a(&emulator))).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)));
    }
}

#[tokio::test]
async fn accepts_basic_and_a_signed_assertion_that_names_no_certificate() {
    let signatory = Signatory::ec();
    let client_certificates = vec![Signatory::ec().pem, signatory.pem.clone()];
    let options = EmulatorOptions { client_certificates, ..Default::default() };
    let emulator = Emulator::start(listener(), options).await.unwrap();
    let bare = with(form(&token_a(&emulator)), "client_secret", "");
    let basic = request(&emulator).basic_auth("00001111-aaaa-2222-bbbb-3333cccc4444", Some("emulator-secret"));
    assert_eq!(read(basic.form(&bare).send().await.unwrap()).await.0, 200);
    for (audience, status) in [("/protocol/openid-connect/token", 200), ("", 200), ("/another", 401)] {
        let mut claims = client_support::claims(&emulator);
        claims["aud"] = format!("{}{audience}", emulator.realm_url("sample")).into();
        let assertion = signatory.sign(&jsonwebtoken::Header::new(Algorithm::ES256), &claims);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = with(with(bare.clone(), "client_assertion_type", kind), "client_assertion", &assertion);
        assert_eq!(exchange(&emulator, &form).await.0, status, "{audience}");
    }
}

#[tokio::test]
async fn wrong_basic_credentials_are_challenged() {
    let emulator = emulator().await;
    let form = with(form(&token_a(&emulator)), "client_secret", "");
    let basic = request(&emulator).basic_auth("00001111-aaaa-2222-bbbb-3333cccc4444", Some("wrong"));
    let response = basic.form(&form).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn meets_faults_of_its_own() {
    let emulator = emulator().await;
    let Fault { effect, .. } = Fault::token_answer(503, &[], "{}");
    emulator.faults().add(Fault::at(Endpoint::RealmToken).effect(effect.clone()).for_oid("carol"));
    emulator.faults().add(Fault::at(Endpoint::RealmKeys).effect(effect));
    let carol = RealmTokenRequest { sub: Some("carol".to_owned()), ..RealmTokenRequest::default() };
    assert_eq!(exchange(&emulator, &form(&emulator.mint_realm(&carol))).await.0, 503);
    assert_eq!(exchange(&emulator, &form(&token_a(&emulator))).await.0, 200);
    let keys = get(format!("{}/protocol/openid-connect/certs", emulator.realm_url("sample"))).await;
    assert_eq!((keys.status().as_u16(), emulator.counters().realm_outcome("fault")), (503, 1));
}

#[tokio::test]
async fn entra_does_not_know_this_grant() {
    let emulator = emulator().await;
    let answer = send(&emulator, &form(&token_a(&emulator))).await;
    assert_eq!(refusal(&answer), (400, "unsupported_grant_type", None, 70_003));
    assert_eq!(emulator.counters().requested("token_exchange"), 1);
}

#[tokio::test]
async fn control_mints_its_tokens() {
    let emulator = emulator().await;
    let url = format!("{}/emulator/realms/other/tokens", emulator.url());
    let queried = get(format!("{url}?sub=carol&aud=orders&format=text")).await.text().await.unwrap();
    let (_, posted) = read(post_text(url, r#"{"sub": "dave", "aud": ["a", "b"]}"#.to_owned()).await).await;
    let (queried, posted) = (claims(queried.trim_end()), claims(posted["access_token"].as_str().unwrap()));
    assert_eq!((&queried["sub"], &queried["iss"]), (&json!("carol"), &json!(emulator.realm_url("other"))));
    assert_eq!((&posted["sub"], &posted["aud"]), (&json!("dave"), &json!(["a", "b"])));
}
