//! What must hold for any `Authorization` header, and for anything that an identity provider publishes: see
//! `fuzzing`.

use std::sync::LazyLock;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::Algorithm;
use tokio::time::Instant;

use super::bearer::{BearerError, MAX_TOKEN, Presented, bearer_token};
use super::discovery::Discovery;
use super::keys::KeySet;
pub(crate) use super::verifier::fuzzing::check as check_jwt;
use super::verifier::fuzzing::{CLIENT, ENTRA, ISSUER, OIDC, identity};
use crate::identity::{Endpoints, Identity, Tenant};

/// Each line is the value of one header.
pub(crate) fn check_bearer(data: &[u8]) {
    let values = data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    let mut headers = HeaderMap::new();
    for value in values.take(4) {
        headers.append(AUTHORIZATION, value);
    }
    let outcome = bearer_token(&headers);
    assert!(!headers.is_empty() || outcome == Err(BearerError::Missing), "no header, no token");
    let Ok(token) = outcome else { return };
    let presented = Presented::of(&headers).map(|presented| presented.bytes());
    assert_eq!(presented, Ok(token.as_bytes()), "a token that is known already is known by all of its bytes");
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    assert_eq!(headers.len(), 1, "one header");
    assert!((1..=MAX_TOKEN).contains(&token.len()), "a token has a length");
    // The only reading: a word, blanks, the token, and nothing else that could be a credential.
    let words: Vec<_> = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let [scheme, credential] = words[..] else { unreachable!("{} words", words.len()) };
    assert!(scheme.eq_ignore_ascii_case(b"bearer") && credential == token.as_bytes(), "{}", value.escape_ascii());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    assert!(token.bytes().all(plain), "a token68: {token}");
}

/// A JWKS document.
pub(crate) fn check_key_set(data: &[u8]) {
    let issuers = [ISSUER.into(), "https://other".into()];
    for tenant in [Tenant::oidc(""), Tenant::entra("https://idp", "t", "c")] {
        let Some(set) = KeySet::read(data, &issuers, &tenant, &KeySet::default()) else { continue };
        for key in set.iter() {
            check_key(key);
        }
        let Some(same) = KeySet::read(data, &issuers, &tenant, &set) else { unreachable!("read once, refused twice") };
        set.retire_keys_missing_from(&same);
        assert!(set.iter().all(|key| !key.is_retired()), "the same document has the same keys");
        assert_eq!(set.len(), set.join(same).len(), "and no others");
    }
}

fn check_key(key: &super::keys::SigningKey) {
    use Algorithm::{ES256, ES384, EdDSA, HS256, HS384, HS512, RS256};
    assert!(![HS256, HS384, HS512].iter().any(|algorithm| key.fits(*algorithm)), "no key of ours is a shared secret");
    let families = [RS256, ES256, ES384, EdDSA].iter().filter(|algorithm| key.fits(**algorithm)).count();
    assert!(families <= 1, "a key has one family");
    for (signature, algorithm) in [("", RS256), ("AAAA", ES256), ("AAAA", EdDSA)] {
        assert!(!key.verifies(signature, "e30.e30", algorithm), "nothing is no signature");
    }
}

/// A discovery document; the addresses that it was found to name.
pub(crate) fn endpoints(data: &[u8]) -> Vec<Endpoints> {
    let mut found = Vec::new();
    for (identity, address) in &*IDENTITIES {
        let Some(tenant) = identity.tenants.first() else { continue };
        let discovery = Discovery { identity, tenant, client: &CLIENT, deadline: Instant::now() };
        let Ok(part) = discovery.read("discovery", "keys", address, data) else { continue };
        assert!(
            !address.starts_with("https:") || part.jwks_uri.to_ascii_lowercase().starts_with("https:"),
            "keys by TLS"
        );
        found.extend(part.endpoints);
    }
    found
}

static IDENTITIES: LazyLock<[(Identity, &str); 3]> = LazyLock::new(|| {
    [
        (identity(OIDC), "https://idp/.well-known/openid-configuration"),
        (identity(OIDC), "http://idp/.well-known/openid-configuration"),
        (identity(ENTRA), "https://idp/t/v2.0/.well-known/openid-configuration"),
    ]
});
