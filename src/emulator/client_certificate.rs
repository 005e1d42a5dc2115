//! The registered client certificate, and the assertions (RFC 7523) that its key signs.

use std::{collections::HashSet, io};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::Deserialize;

use super::{guarded::Guarded, jwt::base64url};

/// A certificate with an RSA key.
pub(super) struct ClientCertificate {
    key: DecodingKey,
    der: Vec<u8>,
    seen: Guarded<HashSet<String>>,
}

impl ClientCertificate {
    /// Reads the first certificate of a PEM file.
    pub(super) fn from_pem(pem: &str) -> io::Result<Self> {
        let invalid = |cause: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, cause.to_string());
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| invalid(&error))?;
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|error| invalid(&error))?;
        Ok(Self { key, der: der.to_vec(), seen: Guarded::default() })
    }

    /// Whether `assertion` authenticates `client_id` at `token_endpoint`; if not, why.
    pub(super) fn verify(&self, assertion: &str, client_id: &str, token_endpoint: &str) -> Result<(), &'static str> {
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| "it is not a JWT")?;
        self.check_certificate(&header)?;
        let claims = jsonwebtoken::decode::<Claims>(assertion, &self.key, &validation(client_id, token_endpoint))
            .map_err(|_| "its signature, audience, issuer, subject or validity is wrong")?
            .claims;
        self.refuse_replay(claims.jti)
    }

    /// The header names the certificate by its thumbprint, or contains it.
    fn check_certificate(&self, header: &Header) -> Result<(), &'static str> {
        let thumbprint = base64url(digest(&SHA256, &self.der).as_ref());
        let named = header.x5t_s256.as_ref().map(|named| named.trim_end_matches('=') == thumbprint);
        let contained = header.x5c.as_ref().and_then(|chain| chain.first());
        let contained = contained.map(|encoded| STANDARD.decode(encoded).is_ok_and(|der| der == self.der));
        match named.or(contained) {
            Some(true) => Ok(()),
            Some(false) => Err("it names another certificate"),
            None => Err("it names no certificate"),
        }
    }

    fn refuse_replay(&self, jti: String) -> Result<(), &'static str> {
        let mut seen = self.seen.lock();
        if seen.len() >= MAX_SEEN {
            seen.clear();
        }
        if seen.insert(jti) { Ok(()) } else { Err("its jti was used before") }
    }
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
}

fn validation(client_id: &str, token_endpoint: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::PS256);
    validation.algorithms = vec![Algorithm::PS256, Algorithm::RS256];
    validation.set_audience(&[token_endpoint]);
    validation.set_issuer(&[client_id]);
    validation.sub = Some(client_id.to_owned());
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["aud", "iss", "sub", "exp"]);
    validation
}

/// How many identifiers are remembered before all are forgotten.
const MAX_SEEN: usize = 10_000;
