//! What must hold for any refusal that strangers have a say in: see `fuzzing`.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use http::HeaderValue;
use http::header::WWW_AUTHENTICATE;
use serde_json::{Map, Value};

use super::{Party, Refusal, Rejection, Resource};
use crate::caller::Lacking;
use crate::exchange::{ExchangeError, IdpRefusal};
use crate::identity::{Endpoints, Identity, Provider, Tenant};
use crate::route::HostName;

/// After `H` the name by which a caller reached us, else claims that it is challenged with.
pub(crate) fn check_challenge(choice: u8, data: &[u8]) {
    if choice == b'H' {
        let Ok(host) = HostName::parse(data) else { return };
        return check_host(host.as_str());
    }
    // What `exchange` lets through.
    let Ok(claims) = std::str::from_utf8(data) else { return };
    if claims.len() <= 4096 && serde_json::from_str::<Map<String, Value>>(claims).is_ok() {
        let refusal = IdpRefusal { error: "interaction_required".into(), ..IdpRefusal::default() };
        check_response(&Rejection::Exchange(ExchangeError::ClaimsChallenge { claims: claims.to_owned(), refusal }));
    }
}

/// A refusal can be sent, to a caller of either kind, and is read as it was meant.
pub(crate) fn check_response(rejection: &Rejection) {
    let party = Party { identity: &IDENTITY, tenant: &IDENTITY.anyone, resource: None };
    let parameters = check(rejection, party);
    let challenged = parameters.iter().find(|(name, _)| name == "claims").map(|(_, value)| value);
    if let Rejection::Exchange(ExchangeError::ClaimsChallenge { claims, .. }) = rejection {
        check_claims(claims, challenged.unwrap_or_else(|| unreachable!("claims are in the challenge")));
    } else {
        assert_eq!(challenged, None, "no claims that nobody asked for");
    }
}

/// Addresses that a discovery document names fit into challenges.
pub(crate) fn check_endpoints(endpoints: Endpoints) {
    let named = endpoints.authorization.clone();
    let tenant = Tenant::oidc("");
    tenant.publish(endpoints);
    let parameters = check(&Rejection::MissingToken, Party { identity: &IDENTITY, tenant: &tenant, resource: None });
    let said = parameters.into_iter().find(|(name, _)| name == "authorization_uri").map(|(_, value)| value.into());
    assert_eq!(said, named, "the address where the caller signs in");
}

fn check_host(host: &str) {
    let metadata = format!("https://{host}:8443/.well-known/oauth-protected-resource/mcp");
    let scopes = ["api://a/x".into(), "openid".into()];
    let resource = Resource { metadata: Some(&metadata), scopes: &scopes };
    let party = Party { identity: &IDENTITY, tenant: &IDENTITY.anyone, resource: Some(resource) };
    let lacking = Rejection::Lacking(Lacking::Scope("x".into()), scopes.to_vec());
    for rejection in [Rejection::MissingToken, Rejection::AmbiguousToken, lacking] {
        let parameters = check(&rejection, party);
        assert_eq!(
            parameters.last(),
            Some(&("resource_metadata".to_owned(), metadata.clone())),
            "the address comes last"
        );
    }
}

fn check(rejection: &Rejection, party: Party<'_>) -> Vec<(String, String)> {
    let refusal = rejection.response(Some(party), "4bf92f3577b34da6", None);
    let problem: Map<String, Value> = serde_json::from_slice(&refusal.body).unwrap_or_default();
    assert_eq!(problem.get("status"), Some(&refusal.status.as_u16().into()), "a problem says its status");
    assert_eq!(problem.get("code"), Some(&refusal.code.into()), "and its code");
    assert!(problem.keys().all(|name| MEMBERS.contains(&name.as_str())), "and nothing else: {problem:?}");
    let grpc = rejection.response(Some(party), "4bf92f3577b34da6", Some(&HeaderValue::from_static("application/grpc")));
    assert!(grpc.body.is_empty() && grpc.headers.contains_key("grpc-status"), "a gRPC caller gets its own");
    let parameters = challenge(&refusal);
    assert_eq!(challenge(&grpc), parameters, "the same challenge for both");
    parameters
}

/// The parameters of the one challenge.
fn challenge(refusal: &Refusal) -> Vec<(String, String)> {
    let values: Vec<_> = refusal.headers.get_all(WWW_AUTHENTICATE).iter().collect();
    assert!(values.len() <= 1, "one challenge at most");
    let Some(value) = values.first() else { return Vec::new() };
    let text = value.to_str().unwrap_or_else(|_| unreachable!("a challenge is ASCII: {value:?}"));
    let parameters = text.strip_prefix("Bearer ").unwrap_or_else(|| unreachable!("a Bearer challenge: {text}"));
    let parameters: Vec<_> = parameters.split(", ").map(|parameter| strict(parameter, text)).collect();
    let names: HashSet<_> = parameters.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), parameters.len(), "each parameter once: {text}");
    parameters
}

/// `name="value"` without anything that parsers disagree on.
fn strict(parameter: &str, challenge: &str) -> (String, String) {
    let parts = parameter.split_once("=\"").and_then(|(name, value)| Some((name, value.strip_suffix('"')?)));
    let Some((name, value)) = parts else { unreachable!("not a parameter: {parameter} in {challenge}") };
    assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{challenge}");
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\,".contains(&byte);
    assert!(value.bytes().all(plain), "a value without quotes, backslashes and commas: {challenge}");
    (name.to_owned(), value.to_owned())
}

/// Both alphabets of base64 bring the same ASCII text, and it asks for the same.
fn check_claims(claims: &str, challenged: &str) {
    let decoded = STANDARD.decode(challenged).unwrap_or_else(|error| unreachable!("{error}: {challenged}"));
    assert_eq!(URL_SAFE.decode(challenged).as_ref(), Ok(&decoded), "{challenged}");
    assert!(decoded.is_ascii(), "a browser makes a character of each byte");
    let value = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap_or_else(|error| unreachable!("{error}"));
    assert_eq!(value(&decoded), value(claims.as_bytes()), "the same claims");
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let tenant = Arc::new(Tenant::entra("https://idp", "t", "c"));
    Identity {
        name: "fuzzed".into(),
        provider: Provider::Entra { authority: "https://idp".into() },
        tenants: vec![Arc::clone(&tenant)],
        anyone: tenant,
        client_id: "00001111-aaaa-2222-bbbb-3333cccc4444".into(),
        credentials: Vec::new(),
        ca: None,
        audiences: Vec::new(),
        algorithms: Vec::new(),
        clock_skew: Duration::ZERO,
        timeout: Duration::from_secs(10),
        key_refresh: Duration::from_hours(12),
        exchange_limit: None,
    }
});

/// Whatever a problem may say.
const MEMBERS: [&str; 9] =
    ["status", "title", "code", "request_id", "consent_uri", "error", "suberror", "error_codes", "correlation_id"];
