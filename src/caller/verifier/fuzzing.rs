//! What must hold for any token: see `fuzzing`.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value, json};

use super::super::claims::Kind;
use super::super::discovery::Published;
use super::super::jws::CompactJws;
use super::super::key_source::unix_now;
use super::super::keys::KeySet;
use super::{VerifiedCaller, Verifier};
use crate::identity::{Identity, Provider, Tenant};
use crate::idp::IdpClient;
use crate::telemetry::Metrics;

/// After an `S` a header and claims, which are signed; else a token.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for verifier in &*VERIFIERS {
        match text.strip_prefix('S').and_then(|parts| parts.split_once('\n')) {
            Some((header, claims)) => check_signed(verifier, header, claims),
            None => check_token(verifier, text),
        }
    }
}

/// A token that we have not signed, or that was changed, makes no caller.
fn check_token(verifier: &Verifier, token: &str) {
    let judged = judge(verifier, token);
    assert!(judged.is_none() || token == *GOOD, "accepted without our signature: {token}");
}

/// A signature alone makes no caller: the claims must say what they must.
fn check_signed(verifier: &Verifier, header: &str, claims: &str) {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let token = sign(&signed);
    let Some(caller) = judge(verifier, &token) else { return };
    let object = |text: &str| serde_json::from_str::<Map<String, Value>>(text);
    let (Ok(header), Ok(claims)) = (object(header), object(claims)) else { unreachable!("accepted what is no JSON") };
    assert_eq!((header.get("alg"), header.get("kid")), (Some(&json!("EdDSA")), Some(&json!("k"))), "{token}");
    assert!(!header.contains_key("crit"), "a critical extension: {token}");
    check_claims(&claims, verifier, &caller);
    let other = if signed.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{other}.{}", signed.get(..signed.len() - 1).unwrap_or_default(), signature_of(&token));
    assert!(judge(verifier, &changed).is_none(), "accepted with another's signature: {changed}");
}

fn check_claims(claims: &Map<String, Value>, verifier: &Verifier, caller: &VerifiedCaller) {
    let is_or_has = |name: &str, text: &str| match claims.get(name) {
        Some(Value::Array(items)) => items.iter().any(|item| item == text),
        value => value.and_then(Value::as_str) == Some(text),
    };
    assert!(is_or_has("aud", AUDIENCE), "for another audience: {claims:?}");
    assert_eq!(claims.get("iss"), Some(&json!(ISSUER)), "of another issuer");
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    let now = unix_now();
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let (earliest, latest) = (now.saturating_sub(120) as f64, (now + 120) as f64);
    assert!(time("exp").is_some_and(|end| end > earliest), "expired: {claims:?}");
    assert!(
        !claims.contains_key("nbf") || time("nbf").is_some_and(|start| start < latest),
        "not yet valid: {claims:?}"
    );
    assert_ne!(caller.claims().kind(), Kind::Neither, "grants nothing: {claims:?}");
    assert!(caller.remaining() <= Duration::from_hours(24 * 366 * 8000), "ends some day");
    if matches!(verifier.identity.provider, Provider::Entra { .. }) {
        let tenant = claims.get("tid").and_then(Value::as_str).unwrap_or_default();
        assert!(tenant.eq_ignore_ascii_case(TENANT), "of another tenant: {claims:?}");
    } else {
        assert!(!claims.contains_key("cnf"), "bound to its sender: {claims:?}");
    }
}

/// The verdict, without the memory of earlier ones; and the examination for people, which must agree with it.
fn judge(verifier: &Verifier, token: &str) -> Option<VerifiedCaller> {
    let caller = CompactJws::parse(token).ok().and_then(|jws| at_once(verifier.judge(&jws)).ok());
    let examined = at_once(verifier.examine(token));
    assert_eq!(examined.verdict().is_ok(), caller.is_some(), "explained otherwise than judged: {token}");
    caller
}

/// Nothing is awaited here: keys are loaded, and unknown ones start no download.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => unreachable!("a download was started"),
    }
}

fn sign(signed: &str) -> String {
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(KEY.sign(signed.as_bytes())))
}

fn signature_of(token: &str) -> &str {
    token.rsplit('.').next().unwrap_or_default()
}

/// An identity at a kind of provider.
pub(crate) fn identity(provider: fn() -> (Provider, Tenant)) -> Identity {
    let (provider, tenant) = provider();
    let tenant = Arc::new(tenant);
    Identity {
        name: "fuzzed".into(),
        provider,
        tenants: vec![Arc::clone(&tenant)],
        anyone: tenant,
        client_id: AUDIENCE.into(),
        credentials: Vec::new(),
        ca: None,
        audiences: vec![AUDIENCE.into()],
        algorithms: vec![Algorithm::EdDSA, Algorithm::RS256],
        clock_skew: Duration::from_mins(1),
        timeout: Duration::from_secs(10),
        key_refresh: Duration::from_hours(12),
        exchange_limit: None,
    }
}

/// Entra, with its issuer given.
pub(crate) const ENTRA: fn() -> (Provider, Tenant) = || {
    let tenant = Tenant::entra("https://idp", TENANT, AUDIENCE).with_issuers(&[ISSUER.into()]);
    (Provider::Entra { authority: "https://idp".into() }, tenant)
};

/// Any other provider.
pub(crate) const OIDC: fn() -> (Provider, Tenant) =
    || (Provider::Oidc { issuer: ISSUER.into() }, Tenant::oidc("https://idp/.well-known/openid-configuration"));

static VERIFIERS: LazyLock<[Verifier; 2]> =
    LazyLock::new(|| [ENTRA, OIDC].map(|provider| verifier(identity(provider))));

fn verifier(identity: Identity) -> Verifier {
    let metrics = Arc::new(Metrics::new().unwrap_or_else(|error| unreachable!("{error}")));
    let verifier = Verifier::new(Arc::new(identity), &CLIENT, 1, metrics, None);
    for source in verifier.sources.values() {
        source.settle(published());
    }
    verifier
}

fn published() -> Published {
    let keys = json!({"keys": [{"kty": "OKP", "kid": "k", "crv": "Ed25519", "x": PUBLIC}]}).to_string();
    let issuers = vec![ISSUER.into()];
    let keys = KeySet::read(keys.as_bytes(), &issuers, &Tenant::oidc(""), &KeySet::default()).unwrap_or_default();
    Published { issuers, keys, endpoints: None, at: tokio::time::Instant::now() }
}

/// A client that is never used.
pub(crate) static CLIENT: LazyLock<IdpClient> =
    LazyLock::new(|| IdpClient::new(None).unwrap_or_else(|error| unreachable!("{error}")));

/// The issuer of good tokens.
pub(crate) const ISSUER: &str = "https://idp/v2.0";

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const AUDIENCE: &str = "api://us";

/// The key of RFC 8037 appendix A.
static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap_or_default();
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap_or_else(|error| unreachable!("{error}"))
});
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// The one token that is accepted without being signed here.
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let header = r#"{"alg":"EdDSA","kid":"k"}"#;
    let claims = r#"{"aud":"api://us","azp":"c","exp":253402300000,"iss":"https://idp/v2.0","oid":"o","scope":"x","scp":"x","sub":"s","tid":"11111111-2222-3333-4444-555555555555"}"#;
    sign(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_good_token_is_accepted_by_both() {
        for verifier in &*VERIFIERS {
            assert!(judge(verifier, &GOOD).is_some());
        }
        check(GOOD.as_bytes());
    }

    #[test]
    fn the_seeds_have_the_good_token() {
        let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/jwt/good-token");
        assert_eq!(std::fs::read_to_string(seed).unwrap(), *GOOD);
    }
}
