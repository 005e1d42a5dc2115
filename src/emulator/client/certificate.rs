//! A client's certificate, and the assertions (RFC 7523) that its key signs.

use std::io;

use aws_lc_rs::digest::{Algorithm as Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::Deserialize;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _, public_key::PublicKey};

use crate::emulator::{jwt::base64url, refusal::Refusal};

/// A certificate with an RSA key or one on the curve P-256.
#[derive(Clone)]
pub(super) struct Certificate {
    key: DecodingKey,
    algorithms: Vec<Algorithm>,
    der: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM file.
    pub(super) fn from_pem(pem: &str) -> io::Result<Self> {
        let invalid = |cause: String| io::Error::new(io::ErrorKind::InvalidInput, cause);
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        Self::from_der(der.to_vec())
            .ok_or_else(|| invalid("the certificate has neither an RSA nor an EC key".to_owned()))
    }

    /// Reads a certificate whose key is of a kind that signs assertions.
    pub(super) fn from_der(der: Vec<u8>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let key = certificate.public_key();
        let (key, algorithms) = match key.parsed().ok()? {
            PublicKey::RSA(_) => {
                (DecodingKey::from_rsa_der(&key.subject_public_key.data), vec![Algorithm::PS256, Algorithm::RS256])
            }
            PublicKey::EC(_) => (DecodingKey::from_ec_der(&key.subject_public_key.data), vec![Algorithm::ES256]),
            _ => return None,
        };
        Some(Self { key, algorithms, der })
    }

    /// The certificate's bytes.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of the certificate as `x5t#S256` states it.
    pub(super) fn thumbprint(&self) -> String {
        self.digest(&SHA256)
    }

    /// The SHA-1 of the certificate as `x5t` states it.
    pub(super) fn old_thumbprint(&self) -> String {
        self.digest(&SHA1_FOR_LEGACY_USE_ONLY)
    }

    /// The `jti` of an assertion of this client for one of these audiences, if the certificate's key signed it.
    pub(super) fn verify(
        &self,
        assertion: &str,
        client_id: &str,
        audiences: &[String],
    ) -> Result<Option<String>, Refusal> {
        let validation = self.validation(client_id, audiences);
        let decoded = jsonwebtoken::decode::<Claims>(assertion, &self.key, &validation);
        let claims = decoded.map_err(|error| refusal(error.kind()))?.claims;
        let start = claims.nbf.or(claims.iat).ok_or(Refusal::ClientAssertionTime("it does not say since when"))?;
        if claims.exp - start > MAX_LIFETIME {
            return Err(Refusal::ClientAssertionTime("it is good for more than ten minutes"));
        }
        Ok(claims.jti)
    }

    fn validation(&self, client_id: &str, audiences: &[String]) -> Validation {
        let mut validation = Validation::default();
        validation.algorithms.clone_from(&self.algorithms);
        validation.set_audience(audiences);
        validation.set_issuer(&[client_id]);
        validation.sub = Some(client_id.to_owned());
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["aud", "iss", "sub", "exp"]);
        validation
    }

    fn digest(&self, algorithm: &'static Digest) -> String {
        base64url(digest(algorithm, &self.der).as_ref())
    }
}

/// Client libraries state times with fractions of a second.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: Option<String>,
}

fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::ExpiredSignature => Refusal::ClientAssertionTime("it has expired"),
        ErrorKind::ImmatureSignature => Refusal::ClientAssertionTime("it is not yet good"),
        ErrorKind::InvalidAudience => Refusal::WrongClientAssertion("its audience is not this token endpoint"),
        ErrorKind::InvalidIssuer | ErrorKind::InvalidSubject => {
            Refusal::WrongClientAssertion("its issuer and subject are not the client")
        }
        _ => Refusal::WrongClientAssertion("its signature does not match, or it is malformed"),
    }
}

/// Seconds that an assertion may be good for, and what fractions of them may lose.
const MAX_LIFETIME: f64 = 600.5;
