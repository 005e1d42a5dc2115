//! The signing keys of an identity provider, read from its JWKS (RFC 7517).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::digest::Digest;

/// The keys that are good now, by `kid`.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<Box<str>, Arc<SigningKey>>,
}

/// One public key.
pub(super) struct SigningKey {
    key: DecodingKey,
    family: KeyFamily,
    /// What the key was made from; tells whether a later set still has this very key.
    fingerprint: Digest,
    retired: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyFamily {
    Rsa,
    EcP256,
    EcP384,
}

/// A member of `keys`; unknown members are of no interest (RFC 7517 section 4).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    issuer: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWKS document, and takes over the keys that `previous` has already.
    ///
    /// A key that cannot verify signatures for `issuers` is left out: an encryption key, a symmetric one, one of an
    /// unknown type, one that names another issuer. `None` where no key is left or the document is not a JWKS.
    pub(super) fn read(document: &[u8], issuers: &[Box<str>], tenant_id: &str, previous: &KeySet) -> Option<Self> {
        let document: Value = serde_json::from_slice(document).ok()?;
        let mut set = Self::default();
        for member in document.get("keys")?.as_array()? {
            let Ok(jwk) = Jwk::deserialize(member) else { continue };
            if !jwk.signs_for(issuers, tenant_id) {
                continue;
            }
            let Some(key) = jwk.signing_key() else { continue };
            let known = previous.keys.get(&*jwk.kid).filter(|known| known.fingerprint == key.fingerprint);
            let key = known.cloned().unwrap_or_else(|| Arc::new(key));
            set.keys.entry(jwk.kid.into()).or_insert(key);
        }
        (!set.keys.is_empty()).then_some(set)
    }

    /// The key with this `kid`.
    pub(super) fn find(&self, key_id: &str) -> Option<&Arc<SigningKey>> {
        self.keys.get(key_id)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Marks every key that `successor` no longer has, so that what it vouched for is forgotten at once.
    pub(super) fn retire_keys_missing_from(&self, successor: &KeySet) {
        for (key_id, key) in &self.keys {
            if !successor.find(key_id).is_some_and(|kept| Arc::ptr_eq(kept, key)) {
                key.retired.store(true, Ordering::Release);
            }
        }
    }
}

impl SigningKey {
    /// Whether the identity provider has withdrawn the key.
    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Whether a signature of this algorithm can come from this key.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, PS256, PS384, PS512, RS256, RS384, RS512};
        match self.family {
            KeyFamily::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            KeyFamily::EcP256 => algorithm == ES256,
            KeyFamily::EcP384 => algorithm == ES384,
        }
    }

    /// Whether `signature` (base64url) is this key's for `signed`.
    pub(super) fn verifies(&self, signature: &str, signed: &str, algorithm: Algorithm) -> bool {
        jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, algorithm).unwrap_or(false)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey")
            .field("family", &self.family)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Jwk {
    /// A key may name its issuer; then it signs for that one only. Entra's v2 key set names the v2 issuer, with
    /// `{tenantid}` in place of the tenant, for keys that sign v1 tokens of the same tenant too.
    fn signs_for(&self, issuers: &[Box<str>], tenant_id: &str) -> bool {
        let Some(issuer) = &self.issuer else { return true };
        let issuer = issuer.replace("{tenantid}", tenant_id);
        issuers.iter().any(|known| **known == *issuer)
    }

    fn signing_key(&self) -> Option<SigningKey> {
        if !self.is_for_signatures() {
            return None;
        }
        let (key, family) = match self.kty.as_str() {
            "RSA" => self.rsa_key()?,
            "EC" => self.ec_key()?,
            _ => return None,
        };
        let parts = [&self.alg, &self.n, &self.e, &self.crv, &self.x, &self.y];
        let parts = parts.map(|part| part.as_deref().unwrap_or_default().as_bytes());
        let fingerprint = Digest::of_parts([self.kty.as_bytes()].into_iter().chain(parts));
        Some(SigningKey { key, family, fingerprint, retired: AtomicBool::new(false) })
    }

    /// `use`, `key_ops` and `alg` are optional, but what they say binds (RFC 7517 sections 4.2 to 4.4).
    fn is_for_signatures(&self) -> bool {
        let usage = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let operations = self.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|name| name == "verify"));
        let algorithm = self.alg.as_deref().is_none_or(|name| name.parse::<Algorithm>().is_ok());
        usage && operations && algorithm
    }

    fn rsa_key(&self) -> Option<(DecodingKey, KeyFamily)> {
        let (n, e) = (self.n.as_deref()?, self.e.as_deref()?);
        // 2048 bits are 342 characters; a shorter modulus is too weak to trust (RFC 7518 section 3.3).
        let key = (n.len() >= 342).then(|| DecodingKey::from_rsa_components(n, e).ok())??;
        Some((key, KeyFamily::Rsa))
    }

    fn ec_key(&self) -> Option<(DecodingKey, KeyFamily)> {
        let family = match self.crv.as_deref()? {
            "P-256" => KeyFamily::EcP256,
            "P-384" => KeyFamily::EcP384,
            _ => return None,
        };
        let key = DecodingKey::from_ec_components(self.x.as_deref()?, self.y.as_deref()?).ok()?;
        Some((key, family))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn modulus(first: char) -> String {
        format!("{first}{}", "A".repeat(341))
    }

    fn read(keys: &Value, previous: &KeySet) -> Option<KeySet> {
        let issuers = [format!("https://idp/{TENANT}/v2.0").into()];
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), &issuers, TENANT, previous)
    }

    fn rsa(kid: &str, first: char) -> Value {
        json!({"kty": "RSA", "kid": kid, "use": "sig", "n": modulus(first), "e": "AQAB", "x5t": "ignored"})
    }

    #[test]
    fn leaves_out_keys_that_cannot_be_trusted_with_signatures() {
        let mut other_issuer = rsa("other", 'w');
        other_issuer["issuer"] = json!("https://idp/9188040d/v2.0");
        let mut own_issuer = rsa("own", 'w');
        own_issuer["issuer"] = json!("https://idp/{tenantid}/v2.0");
        let set = read(
            &json!([
                rsa("good", 'w'),
                own_issuer,
                other_issuer,
                {"kty": "oct", "kid": "hmac", "k": "AAAA"},
                {"kty": "RSA", "kid": "enc", "use": "enc", "n": modulus('w'), "e": "AQAB"},
                {"kty": "RSA", "kid": "oaep", "alg": "RSA-OAEP", "n": modulus('w'), "e": "AQAB"},
                {"kty": "RSA", "kid": "wraps", "key_ops": ["wrapKey"], "n": modulus('w'), "e": "AQAB"},
                {"kty": "RSA", "kid": "weak", "n": "wAAA", "e": "AQAB"},
                {"kty": "OKP", "kid": "future", "crv": "Ed448", "x": "AAAA"},
                {"kty": "RSA", "n": modulus('w'), "e": "AQAB"},
                "noise",
            ]),
            &KeySet::default(),
        )
        .unwrap();
        let mut kept: Vec<_> = set.keys.keys().map(|kid| &**kid).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["good", "own"]);
    }

    #[test]
    fn an_empty_or_foreign_document_is_no_key_set() {
        assert!(read(&json!([]), &KeySet::default()).is_none());
        assert!(read(&json!({"a": 1}), &KeySet::default()).is_none());
        assert!(KeySet::read(b"<html>", &[], TENANT, &KeySet::default()).is_none());
    }

    #[test]
    fn a_key_that_goes_or_changes_is_retired_and_one_that_stays_is_not() {
        let old = read(&json!([rsa("stays", 'w'), rsa("goes", 'w'), rsa("changes", 'w')]), &KeySet::default()).unwrap();
        let new = read(&json!([rsa("stays", 'w'), rsa("changes", 'x')]), &old).unwrap();
        old.retire_keys_missing_from(&new);
        assert!(!old.find("stays").unwrap().is_retired());
        assert!(old.find("goes").unwrap().is_retired());
        assert!(old.find("changes").unwrap().is_retired());
        assert!(!new.find("changes").unwrap().is_retired());
    }

    #[test]
    fn a_key_fits_algorithms_of_its_own_family_only() {
        let set = read(&json!([rsa("k", 'w')]), &KeySet::default()).unwrap();
        let key = set.find("k").unwrap();
        assert!(key.fits(Algorithm::PS256));
        assert!(!key.fits(Algorithm::HS256) && !key.fits(Algorithm::ES256));
    }
}
