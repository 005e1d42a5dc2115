//! An identity provider of whatever kind: documents under paths, counts of what was asked for, and keys of its own.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::listener;

/// A server of documents. It stops when it is dropped.
pub struct Provider {
    pub url: String,
    state: Arc<Documents>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Documents {
    answers: Mutex<HashMap<String, (u16, String)>>,
    hits: Mutex<HashMap<String, u64>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

/// A key pair that signs tokens.
pub struct Key {
    algorithm: Algorithm,
    pair: EncodingKey,
}

impl Provider {
    /// A provider that answers 404 until something is published.
    pub fn start() -> Self {
        let listener = listener();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let state = Arc::new(Documents::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state, serving }
    }

    /// Answers requests for `path` with this document.
    pub fn publish(&self, path: &str, document: &Value) {
        self.answer(path, 200, &document.to_string());
    }

    /// Answers requests for `path` in this way.
    pub fn answer(&self, path: &str, status: u16, body: &str) {
        self.state.answers.lock().unwrap().insert(path.to_owned(), (status, body.to_owned()));
    }

    /// How often `path` was asked for.
    pub fn hits(&self, path: &str) -> u64 {
        self.state.hits.lock().unwrap().get(path).copied().unwrap_or(0)
    }

    /// How often anything was asked for.
    pub fn total_hits(&self) -> u64 {
        self.state.hits.lock().unwrap().values().sum()
    }

    /// How many requests there were at the same time, at most.
    pub fn peak(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(state): State<Arc<Documents>>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let now = state.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    state.peak.fetch_max(now, Ordering::SeqCst);
    *state.hits.lock().unwrap().entry(path.clone()).or_default() += 1;
    // Whoever asks for several documents at the same time gets here before the first is answered.
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    state.in_flight.fetch_sub(1, Ordering::SeqCst);
    let (status, body) = state.answers.lock().unwrap().get(&path).cloned().unwrap_or((404, String::new()));
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::from(body)).unwrap()
}

impl Key {
    /// One of three RSA keys that all tests share.
    pub fn rsa(number: usize) -> &'static Self {
        static KEYS: LazyLock<[Key; 3]> = LazyLock::new(|| [generated(), generated(), generated()]);
        &KEYS[number]
    }

    /// The public key as a member of a key set.
    pub fn jwk(&self, key_id: &str) -> Value {
        self.jwk_with(key_id, &json!({}))
    }

    /// The public key as a member of a key set, with these members put over the usual ones.
    pub fn jwk_with(&self, key_id: &str, further: &Value) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.pair, self.algorithm).unwrap()).unwrap();
        let members = jwk.as_object_mut().unwrap();
        members.extend([("kid".to_owned(), key_id.into()), ("use".to_owned(), "sig".into())]);
        members.remove("alg");
        members.extend(further.as_object().unwrap().clone());
        jwk
    }

    /// A token with this header, in which the algorithm is put, and these claims.
    pub fn sign(&self, mut header: Value, claims: &Value) -> String {
        header["alg"] = serde_json::to_value(self.algorithm).unwrap();
        let input =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &self.pair, self.algorithm).unwrap();
        format!("{input}.{signature}")
    }
}

fn generated() -> Key {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    Key { algorithm: Algorithm::RS256, pair: EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap() }
}

/// A key set.
pub fn jwks(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

/// Seconds since 1970, and an hour.
pub fn in_an_hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600
}
