//! The provider's RSA keys: which one signs, which ones are published.

use std::{io, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer as _, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::jwt::base64url;

/// An RSA key pair of 2048 bits with its public half in the forms that are asked for.
#[derive(Debug)]
pub(super) struct SigningKey {
    pair: RsaKeyPair,
    kid: String,
    modulus: String,
    exponent: String,
    pem: String,
}

impl SigningKey {
    /// Generates a key.
    pub(super) fn generate() -> io::Result<Self> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(io::Error::other)?;
        let spki = pair.public_key().as_der().map_err(io::Error::other)?;
        let (modulus, exponent) = components(pair.public_key().as_ref())
            .ok_or_else(|| io::Error::other("the generated RSA key has an unexpected encoding"))?;
        Ok(Self {
            kid: key_id(modulus),
            modulus: base64url(modulus),
            exponent: base64url(exponent),
            pem: public_key_pem(&spki),
            pair,
        })
    }

    /// The key's identifier.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as PEM.
    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// An RS256 signature.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        #[expect(clippy::expect_used, reason = "signing fails only for a buffer shorter than the modulus")]
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("the buffer has the length of the modulus");
        signature
    }

    /// Whether `signature` is an RS256 signature of `message` by this key.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }

    /// The key as a JWKS member. Entra publishes no `alg`.
    fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": self.modulus, "e": self.exponent,
        })
    }
}

/// The key that signs and the keys that are published, the newest first.
#[derive(Debug)]
pub(super) struct KeyRing {
    current: Arc<SigningKey>,
    published: Vec<Arc<SigningKey>>,
}

impl KeyRing {
    pub(super) fn new(key: SigningKey) -> Self {
        let current = Arc::new(key);
        Self { published: vec![Arc::clone(&current)], current }
    }

    /// The key that signs.
    pub(super) fn current(&self) -> Arc<SigningKey> {
        Arc::clone(&self.current)
    }

    /// A published key.
    pub(super) fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.published.iter().find(|key| key.kid == kid).map(Arc::clone)
    }

    /// Signs with `key` from now on.
    pub(super) fn rotate(&mut self, key: SigningKey, keep_old: bool) {
        self.current = Arc::new(key);
        if !keep_old {
            self.published.clear();
        }
        self.published.insert(0, Arc::clone(&self.current));
        self.published.truncate(MAX_PUBLISHED);
    }

    /// The key set document. In the v2 document each key names the issuer that it signs for.
    pub(super) fn jwks(&self, issuer: Option<&str>) -> Value {
        let keys = self.published.iter().map(|key| {
            let mut jwk = key.jwk();
            if let (Some(members), Some(issuer)) = (jwk.as_object_mut(), issuer) {
                members.insert("issuer".to_owned(), issuer.into());
            }
            jwk
        });
        json!({ "keys": keys.collect::<Vec<_>>() })
    }
}

/// Modulus and exponent of an `RSAPublicKey` structure (RFC 8017, appendix A.1.1).
fn components(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_element(der, 0x30)?;
    let (modulus, rest) = der_element(sequence, 0x02)?;
    let (exponent, _) = der_element(rest, 0x02)?;
    // A leading zero only says that the number is positive.
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent.strip_prefix(&[0]).unwrap_or(exponent)))
}

/// The content of the first DER element, which must have this tag, and what follows it.
fn der_element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    if length < 0x80 {
        return rest.split_at_checked(usize::from(length));
    }
    let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    rest.split_at_checked(length.iter().fold(0, |value, byte| value << 8 | usize::from(*byte)))
}

/// An identifier as long as the SHA-1 thumbprints that Entra uses, unique to the key.
fn key_id(modulus: &[u8]) -> String {
    base64url(digest(&SHA256, modulus).as_ref()).chars().take(27).collect()
}

fn public_key_pem(spki: &PublicKeyX509Der<'_>) -> String {
    let encoded: Vec<char> = STANDARD.encode(spki.as_ref()).chars().collect();
    let lines = encoded.chunks(64).map(|line| line.iter().collect::<String>() + "\n");
    format!("-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n", lines.collect::<String>())
}

/// How many keys are published at most; the oldest make room.
const MAX_PUBLISHED: usize = 8;
