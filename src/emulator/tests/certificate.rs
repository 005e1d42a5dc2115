//! Clients that authenticate with a signed assertion.

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::support::{listener, refusal, send, valid_form, with};
use crate::emulator::{Emulator, EmulatorOptions, TokenRequest, jwt::base64url};

struct Client {
    emulator: Emulator,
    key: EncodingKey,
    thumbprint: String,
}

impl Client {
    async fn start() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", wrapped(pkcs8.as_ref()));
        let signer = rcgen::KeyPair::from_pem(&pem).unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&signer).unwrap();
        let options = EmulatorOptions { client_certificate: Some(certificate.pem()), ..EmulatorOptions::default() };
        Self {
            emulator: Emulator::start(listener(), options).await.unwrap(),
            key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            thumbprint: base64url(digest(&SHA256, certificate.der()).as_ref()),
        }
    }

    /// Claims of a valid client assertion.
    fn claims(&self) -> Value {
        let (client_id, now) = (&self.emulator.options().client_id, crate::emulator::clock::unix_now());
        let endpoint = format!("{}/{}/oauth2/v2.0/token", self.emulator.url(), self.emulator.options().tenant_id);
        json!({
            "iss": client_id, "sub": client_id, "aud": endpoint, "jti": uuid::Uuid::new_v4().to_string(),
            "nbf": now, "iat": now, "exp": now + 300,
        })
    }

    async fn exchange(&self, claims: &Value) -> (u16, Value) {
        let header = Header { x5t_s256: Some(self.thumbprint.clone()), ..Header::new(Algorithm::PS256) };
        let assertion = jsonwebtoken::encode(&header, claims, &self.key).unwrap();
        let form = with(valid_form(&self.emulator.mint(&TokenRequest::default())), "client_secret", "");
        let form = with(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        send(&self.emulator, &with(form, "client_assertion", &assertion)).await
    }
}

fn wrapped(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn accepts_an_assertion_of_the_registered_certificate() {
    let client = Client::start().await;
    let (status, answer) = client.exchange(&client.claims()).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn refuses_an_assertion_for_another_endpoint() {
    let client = Client::start().await;
    let mut claims = client.claims();
    claims["aud"] = "https://login.microsoftonline.com/".into();
    assert_eq!(refusal(&client.exchange(&claims).await), (401, "invalid_client", None, 700_027));
}

#[tokio::test]
async fn refuses_an_assertion_used_before() {
    let client = Client::start().await;
    let claims = client.claims();
    assert_eq!(client.exchange(&claims).await.0, 200);
    assert_eq!(refusal(&client.exchange(&claims).await), (401, "invalid_client", None, 700_027));
}

#[tokio::test]
async fn refuses_an_assertion_that_names_another_certificate() {
    let mut client = Client::start().await;
    client.thumbprint = base64url(&[0; 32]);
    let claims = client.claims();
    assert_eq!(refusal(&client.exchange(&claims).await), (401, "invalid_client", None, 700_027));
}
