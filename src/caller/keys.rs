//! The signing keys of an identity provider, read from its JWKS (RFC 7517).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::digest::Digest;
use crate::identity::Tenant;

/// The keys that are good now, by `kid`. Several may share one, each for issuers of its own.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<Box<str>, Vec<Arc<SigningKey>>>,
}

/// One public key, and the issuers whose tokens it signs.
pub(super) struct SigningKey {
    key: DecodingKey,
    family: KeyFamily,
    /// The only algorithm that it is for, where it names one.
    algorithm: Option<Algorithm>,
    issuers: Box<[Box<str>]>,
    /// What the key was made from; tells whether a later set still has this very key for these very issuers.
    fingerprint: Digest,
    retired: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyFamily {
    Rsa,
    EcP256,
    EcP384,
    Ed25519,
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
    /// Reads a JWKS document whose keys sign for `issuers`, and takes over the keys that `previous` has already.
    ///
    /// A key that cannot verify signatures for one of them is left out: an encryption key, a symmetric one, one of an
    /// unknown type, one that names another issuer. `None` where the document is not a JWKS, or has no key at all.
    pub(super) fn read(document: &[u8], issuers: &[Box<str>], tenant: &Tenant, previous: &KeySet) -> Option<Self> {
        let document: Value = serde_json::from_slice(document).ok()?;
        let members = document.get("keys")?.as_array().filter(|members| !members.is_empty())?;
        let mut set = Self::default();
        for member in members {
            let Ok(jwk) = Jwk::deserialize(member) else { continue };
            let Some(key) = jwk.signing_key(issuers, tenant) else { continue };
            let known = previous.keys_named(&jwk.kid).iter().find(|known| known.fingerprint == key.fingerprint);
            let key = known.cloned().unwrap_or_else(|| Arc::new(key));
            set.add(jwk.kid.into(), key);
        }
        Some(set)
    }

    /// This set and another one.
    pub(super) fn join(mut self, other: Self) -> Self {
        for (key_id, keys) in other.keys {
            for key in keys {
                self.add(key_id.clone(), key);
            }
        }
        self
    }

    /// The key with this `kid` that signs for this issuer.
    pub(super) fn find(&self, key_id: &str, issuer: &str) -> Option<&Arc<SigningKey>> {
        self.keys_named(key_id).iter().find(|key| key.signs_for(issuer))
    }

    /// Whether there is a key with this `kid`, for whatever issuer.
    pub(super) fn has(&self, key_id: &str) -> bool {
        self.keys.contains_key(key_id)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.keys.values().flatten().map(|key| &**key)
    }

    /// Of two keys with the same name for the same issuer the first one stays.
    fn add(&mut self, key_id: Box<str>, key: Arc<SigningKey>) {
        let named = self.keys.entry(key_id).or_default();
        if !named.iter().any(|known| key.issuers.iter().any(|issuer| known.signs_for(issuer))) {
            named.push(key);
        }
    }

    fn keys_named(&self, key_id: &str) -> &[Arc<SigningKey>] {
        self.keys.get(key_id).map_or(&[], Vec::as_slice)
    }

    /// Marks every key that `successor` no longer has, so that what it vouched for is forgotten at once.
    pub(super) fn retire_keys_missing_from(&self, successor: &KeySet) {
        for (key_id, keys) in &self.keys {
            let kept = successor.keys_named(key_id);
            for key in keys.iter().filter(|key| !kept.iter().any(|kept| Arc::ptr_eq(kept, key))) {
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

    fn signs_for(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| **known == *issuer)
    }

    /// Whether a signature of this algorithm can come from this key.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        if self.algorithm.is_some_and(|only| only != algorithm) {
            return false;
        }
        match self.family {
            KeyFamily::Rsa => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
            KeyFamily::EcP256 => algorithm == ES256,
            KeyFamily::EcP384 => algorithm == ES384,
            KeyFamily::Ed25519 => algorithm == EdDSA,
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
    /// The key for those of `issuers` that it signs for; `None` where there is none of these, or it is no such key.
    fn signing_key(&self, issuers: &[Box<str>], tenant: &Tenant) -> Option<SigningKey> {
        if !self.is_for_signatures() {
            return None;
        }
        let issuers = self.issuers(issuers, tenant)?;
        let (key, family) = match self.kty.as_str() {
            "RSA" => self.rsa_key()?,
            "EC" => self.ec_key()?,
            "OKP" => self.edwards_key()?,
            _ => return None,
        };
        let parts = [&self.alg, &self.n, &self.e, &self.crv, &self.x, &self.y];
        let parts = parts.map(|part| part.as_deref().unwrap_or_default().as_bytes());
        let issuer_parts = issuers.iter().map(|issuer| issuer.as_bytes());
        let fingerprint = Digest::of_parts([self.kty.as_bytes()].into_iter().chain(parts).chain(issuer_parts));
        let algorithm = self.alg.as_deref().and_then(|name| name.parse().ok());
        Some(SigningKey { key, family, algorithm, issuers, fingerprint, retired: AtomicBool::new(false) })
    }

    /// A key may name its issuer, with `{tenantid}` in place of the tenant; then it signs for that one only.
    fn issuers(&self, issuers: &[Box<str>], tenant: &Tenant) -> Option<Box<[Box<str>]>> {
        let Some(own) = &self.issuer else { return Some(issuers.into()) };
        let own = tenant.fill_in(own);
        issuers.contains(&own).then(|| [own].into())
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

    fn edwards_key(&self) -> Option<(DecodingKey, KeyFamily)> {
        let x = self.x.as_deref().filter(|_| self.crv.as_deref() == Some("Ed25519"))?;
        Some((DecodingKey::from_ed_components(x).ok()?, KeyFamily::Ed25519))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";

    fn tenant() -> Tenant {
        Tenant::entra("https://idp", TENANT, "client")
    }

    fn v2() -> Box<str> {
        format!("https://idp/{TENANT}/v2.0").into()
    }

    fn v1() -> Box<str> {
        format!("https://sts/{TENANT}/").into()
    }

    fn modulus(first: char) -> String {
        format!("{first}{}", "A".repeat(341))
    }

    fn read(keys: &Value, previous: &KeySet) -> Option<KeySet> {
        read_for(keys, &[v2()], previous)
    }

    fn read_for(keys: &Value, issuers: &[Box<str>], previous: &KeySet) -> Option<KeySet> {
        KeySet::read(json!({ "keys": keys }).to_string().as_bytes(), issuers, &tenant(), previous)
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
        assert!(KeySet::read(b"<html>", &[], &tenant(), &KeySet::default()).is_none());
    }

    #[test]
    fn a_key_that_goes_or_changes_is_retired_and_one_that_stays_is_not() {
        let old = read(&json!([rsa("stays", 'w'), rsa("goes", 'w'), rsa("changes", 'w')]), &KeySet::default()).unwrap();
        let new = read(&json!([rsa("stays", 'w'), rsa("changes", 'x')]), &old).unwrap();
        old.retire_keys_missing_from(&new);
        assert!(!old.find("stays", &v2()).unwrap().is_retired());
        assert!(old.find("goes", &v2()).unwrap().is_retired());
        assert!(old.find("changes", &v2()).unwrap().is_retired());
        assert!(!new.find("changes", &v2()).unwrap().is_retired());
    }

    #[test]
    fn a_key_fits_algorithms_of_its_own_family_only() {
        let set = read(&json!([rsa("k", 'w')]), &KeySet::default()).unwrap();
        let key = set.find("k", &v2()).unwrap();
        assert!(key.fits(Algorithm::PS256));
        assert!(!key.fits(Algorithm::HS256) && !key.fits(Algorithm::ES256));
    }

    #[test]
    fn a_key_that_names_its_algorithm_fits_no_other() {
        let mut key = rsa("k", 'w');
        key["alg"] = json!("RS256");
        let set = read(&json!([key]), &KeySet::default()).unwrap();
        let key = set.find("k", &v2()).unwrap();
        assert!(key.fits(Algorithm::RS256));
        assert!(!key.fits(Algorithm::PS256) && !key.fits(Algorithm::RS512));
    }

    #[test]
    fn a_key_signs_for_the_issuer_that_it_names_and_no_other() {
        let mut bound = rsa("bound", 'w');
        bound["issuer"] = json!("https://sts/{tenantid}/");
        let set = read_for(&json!([bound, rsa("free", 'w')]), &[v2(), v1()], &KeySet::default()).unwrap();
        assert!(set.find("bound", &v1()).is_some() && set.find("bound", &v2()).is_none());
        assert!(set.find("free", &v1()).is_some() && set.find("free", &v2()).is_some());
        assert!(set.find("free", "https://sts/{tenantid}/").is_none());
    }

    #[test]
    fn joined_sets_keep_each_key_to_its_own_issuers() {
        let of_v2 = read_for(&json!([rsa("same", 'w'), rsa("v2", 'w')]), &[v2()], &KeySet::default()).unwrap();
        let of_v1 = read_for(&json!([rsa("same", 'x'), rsa("v1", 'x')]), &[v1()], &KeySet::default()).unwrap();
        let set = of_v2.join(of_v1);
        assert_eq!(set.len(), 3);
        assert!(set.find("v2", &v1()).is_none() && set.find("v1", &v2()).is_none());
        let same = (set.find("same", &v2()).unwrap(), set.find("same", &v1()).unwrap());
        assert_ne!(same.0.fingerprint, same.1.fingerprint);
    }

    #[test]
    fn of_two_keys_with_one_name_for_one_issuer_the_first_stays() {
        let set = read(&json!([rsa("k", 'w'), rsa("k", 'x')]), &KeySet::default()).unwrap();
        let alone = read(&json!([rsa("k", 'w')]), &set).unwrap();
        assert!(Arc::ptr_eq(set.find("k", &v2()).unwrap(), alone.find("k", &v2()).unwrap()));
    }

    #[test]
    fn a_key_that_is_for_another_issuer_now_is_retired() {
        let old = read_for(&json!([rsa("k", 'w')]), &[v2(), v1()], &KeySet::default()).unwrap();
        let new = read_for(&json!([rsa("k", 'w')]), &[v2()], &old).unwrap();
        old.retire_keys_missing_from(&new);
        assert!(old.find("k", &v1()).unwrap().is_retired() && !new.find("k", &v2()).unwrap().is_retired());
    }
}
