//! What surrounds the contestants: an identity provider, a target, the caller's token, and a sidecar for those that need
//! one.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest};
use serde_json::Value;

use super::installation;
use super::machine::cores;
use super::sidecar::Sidecar;
use super::target::Target;

pub struct Setting {
    pub emulator: Emulator,
    pub target: Target,
    /// Token A.
    pub token_a: String,
    /// Token B and who hands it out, once obo-proxy has acquired one.
    pub sidecar: Option<(String, Sidecar)>,
    /// The keys of the identity provider, as it publishes them.
    keys: String,
    /// For each contestant a directory in here, made anew with each run.
    pub directory: PathBuf,
    /// Threads or processes that each contestant serves with.
    pub workers: usize,
}

impl Setting {
    pub async fn arrange() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let emulator = Emulator::start(listener, EmulatorOptions::default()).await.unwrap();
        let token_a = realistic_token(&emulator);
        let directory = installation::directory().join(format!("run-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let keys = published_keys(&emulator).await;
        Self { token_a, keys, directory, target: Target::start(), sidecar: None, workers: cores(), emulator }
    }

    /// Starts the sidecar, which hands out this token B from now on.
    pub fn hand_out(&mut self, token_b: String) {
        let sidecar = Sidecar::start(&self.directory, &self.token_a, &token_b);
        self.sidecar = Some((token_b, sidecar));
    }

    pub fn token_b(&self) -> &str {
        self.sidecar.as_ref().map_or("", |(token, _)| token)
    }

    /// What stands between `@` in templates.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let claims = claims(&self.token_a);
        let claim = |name: &str| claims[name].as_str().unwrap().to_owned();
        let mut values = vec![
            ("@workers@", self.workers.to_string()),
            ("@authority@", self.emulator.url().to_owned()),
            ("@issuer@", claim("iss")),
            ("@audience@", claim("aud")),
            ("@keys@", self.keys.clone()),
        ];
        values.extend(place(["@target@", "@target_host@", "@target_port@"], &self.target.address));
        if let Some((_, sidecar)) = &self.sidecar {
            values.extend(place(["@sidecar@", "@sidecar_host@", "@sidecar_port@"], &sidecar.address));
        }
        values
    }
}

impl Drop for Setting {
    /// Logs of millions of requests are not kept.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// An address as a whole and in its parts.
pub fn place(names: [&'static str; 3], address: &str) -> [(&'static str, String); 3] {
    let (host, port) = address.split_once(':').unwrap();
    let [whole, of_host, of_port] = names;
    [(whole, address.to_owned()), (of_host, host.to_owned()), (of_port, port.to_owned())]
}

/// The claims of a token that need not be verified.
pub fn claims(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// A token of the size that Entra issues for a user with some groups: about 1.5 kB.
fn realistic_token(emulator: &Emulator) -> String {
    let mut wish = TokenRequest::default().user("7d1c9f0e-52c4-4a57-9c1b-6f3c2e8a4b90");
    let groups: Vec<Value> =
        (0..GROUPS).map(|group| format!("0d2b8a5c-6f1e-4c3a-9b7d-1e2f3a4b5c{group:02x}").into()).collect();
    wish.claims.insert("groups".to_owned(), groups.into());
    wish.claims.insert("rh".to_owned(), "0.AAAAZGVmYXVsdC10ZW5hbnQtcmVmcmVzaC1oYW5kbGU.".into());
    emulator.mint(&wish)
}

async fn published_keys(emulator: &Emulator) -> String {
    let url = format!("{}/{}/discovery/v2.0/keys", emulator.url(), emulator.options().tenant_id);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

/// Of which the user of token A is a member.
const GROUPS: u8 = 5;
