//! A certificate and its key, and the assertions that are signed with it (RFC 7523 section 3, RFC 7515).

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::files::{self, CredentialPart, Unusable, unusable};
use crate::identity::CertificateFiles;
use crate::secret::Secret;

/// A certificate, ready to sign with.
pub(super) struct SigningCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: Key,
    /// base64url of the SHA-256 of the certificate, `x5t#S256` (RFC 7515 section 4.1.8).
    thumbprint: String,
    send_chain: bool,
    /// Seconds since 1970.
    ends: i64,
    /// When its end was warned of for the last time, in seconds since 1970.
    warned: AtomicI64,
}

enum Key {
    Rsa(RsaKeyPair),
    EcP256(EcdsaKeyPair),
    EcP384(EcdsaKeyPair),
}

impl SigningCertificate {
    /// Reads the files, and makes sure that key and certificate belong together.
    pub(super) fn load(settings: &CertificateFiles) -> Result<Self, Unusable> {
        let (certificate, key) = files::certificate_files(settings)?;
        let chain = chain(&certificate)?;
        let private_key = private_key(&key)?;
        let fault = |fault: &str| unusable(CredentialPart::PrivateKey, fault);
        let key = Key::read(&private_key).ok_or_else(|| fault(KEY_FAULT))?;
        CertifiedKey::from_der(chain.clone(), private_key, &default_provider())
            .map_err(|_| fault("has not the key of the first certificate"))?;
        let first = chain.first().ok_or_else(no_certificate)?;
        let (thumbprint, ends) = (URL_SAFE_NO_PAD.encode(digest(&SHA256, first)), ends(first)?);
        Ok(Self { thumbprint, ends, chain, key, send_chain: settings.send_chain, warned: AtomicI64::new(0) })
    }

    /// When it ends, in seconds since 1970.
    pub(super) fn ends(&self) -> i64 {
        self.ends
    }

    /// base64url of its SHA-256 (`x5t#S256`).
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    pub(super) fn check_not_ended(&self) -> Result<(), Unusable> {
        if unix_now() < self.ends { Ok(()) } else { Err(unusable(CredentialPart::Certificate, files::ENDED)) }
    }

    /// Warns once a day in the last [`WARNING_DAYS`] days.
    pub(super) fn warn_of_end(&self, identity: &str) {
        let now = unix_now();
        let days_left = (self.ends - now).div_euclid(DAY);
        if days_left >= WARNING_DAYS || now - self.warned.load(Ordering::Relaxed) < DAY {
            return;
        }
        self.warned.store(now, Ordering::Relaxed);
        let thumbprint = &*self.thumbprint;
        if days_left < 0 {
            tracing::error!(
                identity,
                thumbprint,
                "the certificate has ended: register a new one and replace its files"
            );
        } else {
            tracing::warn!(identity, thumbprint, days_left, "the certificate ends soon: replace its files in time");
        }
    }

    /// A fresh assertion for `client_id` at `audience`, the very token endpoint that it is sent to.
    pub(super) fn assertion(&self, client_id: &str, audience: &str) -> Option<Secret> {
        let now = unix_now();
        let mut header = json!({ "alg": self.key.algorithm(), "typ": "JWT", "x5t#S256": self.thumbprint });
        if self.send_chain {
            let chain: Vec<_> = self.chain.iter().map(|certificate| STANDARD.encode(certificate)).collect();
            header.as_object_mut()?.insert("x5c".to_owned(), chain.into());
        }
        let claims = json!({
            "aud": audience, "iss": client_id, "sub": client_id, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now, "iat": now, "exp": now.saturating_add(LIFETIME),
        });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.key.sign(signed.as_bytes())?;
        Some(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl Key {
    fn read(key: &PrivateKeyDer<'_>) -> Option<Self> {
        let der = key.secret_der();
        if let Ok(rsa) = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)) {
            return Some(Self::Rsa(rsa));
        }
        let p256 = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::EcP256);
        let key = p256
            .or_else(|_| EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der).map(Self::EcP384));
        key.ok()
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "PS256",
            Self::EcP256(_) => "ES256",
            Self::EcP384(_) => "ES384",
        }
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PSS_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::EcP256(key) | Self::EcP384(key) => {
                key.sign(&random, message).ok().map(|signature| signature.as_ref().to_vec())
            }
        }
    }
}

/// The same certificates and the same way to send them; the key follows from the first certificate.
impl PartialEq for SigningCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.send_chain == other.send_chain
    }
}

impl fmt::Debug for SigningCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningCertificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(no_certificate()),
    }
}

fn private_key(pem: &Secret) -> Result<PrivateKeyDer<'static>, Unusable> {
    let fault = if pem.expose().contains("ENCRYPTED") {
        "has an encrypted private key; decrypt it, and let only the proxy's user read the file"
    } else {
        "has no private key in PEM"
    };
    PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| unusable(CredentialPart::PrivateKey, fault))
}

fn ends(certificate: &CertificateDer<'_>) -> Result<i64, Unusable> {
    let damaged = |_| unusable(CredentialPart::Certificate, "has a damaged certificate");
    X509Certificate::from_der(certificate).map(|(_, parsed)| parsed.validity().not_after.timestamp()).map_err(damaged)
}

fn no_certificate() -> Unusable {
    unusable(CredentialPart::Certificate, "has no certificate in PEM")
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

const KEY_FAULT: &str = "has no RSA key of 2048 to 8192 bits and no EC key on P-256 or P-384";

/// How long an assertion is good, in seconds: identity providers accept ten minutes at most.
const LIFETIME: i64 = Duration::from_mins(8).as_secs().cast_signed();

/// In seconds.
const DAY: i64 = 24 * 60 * 60;

/// The end of a certificate is warned of so many days before.
const WARNING_DAYS: i64 = 30;
