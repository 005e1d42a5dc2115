//! A client with a key and a certificate, and the assertions that it signs.

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair};
use serde_json::{Value, json};

use super::support::{send, valid_form, with};
use crate::emulator::{Emulator, TokenRequest, clock::unix_now, jwt::base64url};

/// Somebody who signs assertions.
pub(super) struct Signatory {
    key: EncodingKey,
    pub(super) pem: String,
    der: Vec<u8>,
    pub(super) algorithm: Algorithm,
}

impl Signatory {
    /// With an RSA key.
    pub(super) fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", wrapped(pkcs8.as_ref()));
        let certificate = params("client").self_signed(&KeyPair::from_pem(&pem).unwrap()).unwrap();
        Self {
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            algorithm: Algorithm::PS256,
        }
    }

    /// With a key on the curve P-256.
    pub(super) fn ec() -> Self {
        let key = KeyPair::generate().unwrap();
        Self::of_ec(&key, &params("client").self_signed(&key).unwrap())
    }

    /// With a certificate of an authority.
    pub(super) fn issued_by(authority: &CertifiedIssuer<'_, KeyPair>, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self::of_ec(&key, &params(name).signed_by(&key, authority).unwrap())
    }

    fn of_ec(key: &KeyPair, certificate: &rcgen::Certificate) -> Self {
        Self {
            key: EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap(),
            pem: certificate.pem(),
            der: certificate.der().to_vec(),
            algorithm: Algorithm::ES256,
        }
    }

    /// The SHA-256 of the certificate.
    pub(super) fn thumbprint(&self) -> String {
        base64url(digest(&SHA256, &self.der).as_ref())
    }

    /// A header that names the certificate by its thumbprint.
    pub(super) fn header(&self) -> Header {
        Header { x5t_s256: Some(self.thumbprint()), ..Header::new(self.algorithm) }
    }

    /// A header that contains the certificate.
    pub(super) fn header_with_certificate(&self) -> Header {
        Header { x5c: Some(vec![STANDARD.encode(&self.der)]), ..Header::new(self.algorithm) }
    }

    /// Signs claims under a header.
    pub(super) fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &self.key).unwrap()
    }

    /// Exchanges a token under a valid assertion.
    pub(super) async fn exchange(&self, emulator: &Emulator) -> (u16, Value) {
        exchange(emulator, &self.sign(&self.header(), &claims(emulator))).await
    }
}

/// An authority that issues certificates to clients.
pub(super) fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params("clients' authority");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Claims of a valid assertion.
pub(super) fn claims(emulator: &Emulator) -> Value {
    let (client_id, now) = (&emulator.options().client_id, unix_now());
    let endpoint = format!("{}/{}/oauth2/v2.0/token", emulator.url(), emulator.options().tenant_id);
    json!({
        "iss": client_id, "sub": client_id, "aud": endpoint, "jti": uuid::Uuid::new_v4().to_string(),
        "nbf": now, "iat": now, "exp": now + 300,
    })
}

/// Exchanges a token under this assertion.
pub(super) async fn exchange(emulator: &Emulator, assertion: &str) -> (u16, Value) {
    let form = with(valid_form(&emulator.mint(&TokenRequest::default())), "client_secret", "");
    let form = with(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    send(emulator, &with(form, "client_assertion", assertion)).await
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn wrapped(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\n")
}
