//! An identity provider that costs little: it signs tokens A with Ed25519, and answers an exchange with a token B that
//! names the caller. It can be asked for a million tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::message::Reader;

/// The provider, served until the end of the program.
#[derive(Clone)]
pub struct Provider {
    shared: Arc<Shared>,
}

struct Shared {
    authority: String,
    key: Ed25519KeyPair,
    exchanges: AtomicU64,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = format!("http://{}", listener.local_addr().unwrap());
        let key = Ed25519KeyPair::generate().unwrap();
        let shared = Arc::new(Shared { authority, key, exchanges: AtomicU64::new(0) });
        let served = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { shared }
    }

    pub fn authority(&self) -> &str {
        &self.shared.authority
    }

    /// Exchanges so far.
    pub fn exchanges(&self) -> u64 {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// A token A for this user, of the size that Entra issues; good for two hours.
    pub fn mint(&self, user: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = format!(
            r#"{{"iss":"{}/{TENANT}/v2.0","aud":"{CLIENT}","tid":"{TENANT}","oid":"{user}","sub":"pairwise-{user}","azp":"55556666-aaaa-2222-bbbb-3333cccc4444","azpacr":"0","scp":"access_as_user","name":"A User Of The Company","preferred_username":"{user}@contoso.com","groups":["0d2b8a5c-6f1e-4c3a-9b7d-1e2f3a4b5c6d","5e6f7a8b-9c0d-4e1f-8a2b-3c4d5e6f7a8b"],"rh":"0.AAAAZGVmYXVsdC10ZW5hbnQtcmVmcmVzaC1oYW5kbGU.","uti":"{now}","ver":"2.0","xms_cc":["cp1"],"iat":{now},"nbf":{now},"exp":{}}}"#,
            self.shared.authority,
            now + 7200
        );
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.shared.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut reader = Reader::default();
    while let Ok(request) = reader.message(&mut stream).await {
        let (status, body) = shared.answer(&request.head, &request.body);
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl Shared {
    fn answer(&self, head: &str, body: &[u8]) -> (&'static str, String) {
        let path = head.split(' ').nth(1).unwrap_or_default();
        if path == format!("/{TENANT}/v2.0/.well-known/openid-configuration") {
            let base = format!("{}/{TENANT}", self.authority);
            let document = format!(r#"{{"issuer":"{base}/v2.0","jwks_uri":"{base}/keys"}}"#);
            ("200 OK", document)
        } else if path.ends_with("/keys") {
            let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
            ("200 OK", format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"bench","use":"sig","x":"{x}"}}]}}"#))
        } else if path.ends_with("/oauth2/v2.0/token") {
            self.exchange(&String::from_utf8_lossy(body))
        } else {
            ("404 Not Found", "{}".to_owned())
        }
    }

    fn exchange(&self, form: &str) -> (&'static str, String) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        let assertion = form.split('&').find_map(|pair| pair.strip_prefix("assertion=")).unwrap_or_default();
        let claims = assertion.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).unwrap_or_default();
        let claims = String::from_utf8(claims).unwrap_or_default();
        let user = claims.split(r#""oid":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        if user.starts_with(STEP_UP) {
            let refusal = r#"{"error":"interaction_required","error_codes":[50076],"claims":"{\"access_token\":{\"acrs\":{\"essential\":true,\"value\":\"c1\"}}}"}"#;
            return ("400 Bad Request", refusal.to_owned());
        }
        ("200 OK", format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"{}"}}"#, token_b(user)))
    }
}

/// The token B of a user: opaque to the proxy, telling whose it is, and of 1.5 kB as Entra's are.
pub fn token_b(user: &str) -> String {
    format!("b~{user}~{}", "opaque".repeat(248))
}

/// Users whose names begin with this are asked for more.
pub const STEP_UP: &str = "step-up-";

pub const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";

const HEADER: &str = r#"{"typ":"JWT","alg":"EdDSA","kid":"bench"}"#;
