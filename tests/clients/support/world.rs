//! An emulator, a sample target and a proxy between them, and what a script is told of them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::certificates::Certificates;
use super::program::{Program, command};
use super::{client, eventually, unused_path};

/// The processes of one test.
pub struct World {
    /// A client that trusts the three.
    pub client: reqwest::Client,
    pub proxy: Program,
    /// Certificates, and in `trusted.pem` all authorities.
    pub directory: PathBuf,
    /// What a script is told.
    pub description: Value,
    _emulator: Program,
    _target: Program,
}

impl World {
    pub async fn start() -> Self {
        let directory = unused_path("world");
        std::fs::create_dir_all(&directory).unwrap();
        Certificates::shared().write(&directory);
        let ((emulator, authority), (target, api)) =
            tokio::join!(server("emulator", &directory), server("sample-target", &directory));
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
        let trusted = ["authority.pem", "ca.pem", "target-ca.pem"].map(read).concat();
        std::fs::write(directory.join("trusted.pem"), &trusted).unwrap();
        let client = client(&trusted);
        let workload = client.get(format!("{authority}/emulator/federated?format=text")).send().await.unwrap();
        std::fs::write(directory.join("workload.jwt"), workload.text().await.unwrap()).unwrap();
        let proxy = proxy(&directory, &authority, &api).await;
        let description = json!({
            "emulator": authority, "target": api, "proxy": proxy.url, "admin": proxy.admin,
            "directory": directory, "client_id": CLIENT_ID, "tenant_id": TENANT_ID,
            "client_secret": SECRET, "odd_secret": ODD_SECRET, "program": env!("CARGO_BIN_EXE_obo-proxy"),
        });
        Self { client, proxy, directory, description, _emulator: emulator, _target: target }
    }
}

impl World {
    /// The address of one of them: `emulator`, `target` or `proxy`.
    pub fn url(&self, name: &str) -> &str {
        self.description[name].as_str().unwrap()
    }

    /// Tells the emulator something, and returns what it answers.
    pub async fn tell_emulator(&self, path: &str, what: &Value) -> Value {
        let url = format!("{}/emulator/{path}", self.url("emulator"));
        let response = self.client.post(url).body(what.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path} {what}");
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// A token A that the emulator mints with these wishes.
    pub async fn token(&self, wishes: &Value) -> String {
        self.tell_emulator("tokens", wishes).await["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What is left over is in the target directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A server of ours on a free port, with TLS, and its address.
async fn server(name: &str, directory: &Path) -> (Program, String) {
    let program = Program::start(command(&[name, "--listen", "127.0.0.1:0", "--tls", directory.to_str().unwrap()]));
    let mut url = None;
    eventually("it says where it listens", async || {
        let line = program.stdout();
        let complete = line.contains('\n');
        url = line.split_whitespace().find(|word| complete && word.starts_with("https://")).map(str::to_owned);
        url.is_some()
    })
    .await;
    (program, url.unwrap())
}

/// The proxy, with its configuration in that directory, and ready.
async fn proxy(directory: &Path, authority: &str, api: &str) -> Program {
    let path = directory.join("routes.yaml");
    let filled_in = [
        ("{authority}", authority),
        ("{api}", api),
        ("{tenant}", TENANT_ID),
        ("{client}", CLIENT_ID),
        ("{secret}", SECRET),
        ("{odd_secret}", ODD_SECRET),
    ];
    let text = filled_in.iter().fold(CONFIGURATION.to_owned(), |text, (name, value)| text.replace(name, value));
    std::fs::write(&path, text).unwrap();
    let mut program = Program::start(command(&["run", "--config", path.to_str().unwrap()]));
    let serving = program.line_with("message", "serving").await;
    let port = serving["listen"].as_str().unwrap().rsplit(':').next().unwrap();
    program.url = format!("https://localhost:{port}");
    program.admin = format!("http://{}", serving["admin"].as_str().unwrap());
    program.wait_until_ready().await;
    program
}

const CONFIGURATION: &str = include_str!("../routes.yaml");
/// The emulator's registration.
pub const CLIENT_ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
/// Its tenant.
pub const TENANT_ID: &str = "11111111-2222-3333-4444-555555555555";
/// Its secret.
const SECRET: &str = "emulator-secret";
/// Another secret, which a form and HTTP Basic have to encode.
const ODD_SECRET: &str = "s3cret/of+the~registration: 100 % & more=ünlike";
