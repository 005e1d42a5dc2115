//! What surrounds the program in a test: an identity provider, a sample target, configuration files, clients.

pub mod program;
pub mod raw;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use obo_proxy::emulator::{Emulator, EmulatorOptions, SampleTarget, SampleTargetOptions, TokenRequest};
use obo_proxy::server::install_crypto_provider;
use serde_json::Value;

use self::program::Program;

/// An identity provider and a target in this process, for programs to work with.
pub struct World {
    pub emulator: Emulator,
    pub target: SampleTarget,
}

/// An answer as a client sees it.
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

/// The client secret in every test; long enough to be searched for.
pub const SECRET: &str = "s3cret/of+the~registration";
/// The registration of every test.
pub const CLIENT_ID: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";
/// Its tenant.
pub const TENANT_ID: &str = "11111111-2222-3333-4444-555555555555";

impl World {
    pub async fn start() -> Self {
        Self::with_provider(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).await
    }

    /// A world whose identity provider listens on `listener`.
    pub async fn with_provider(listener: std::net::TcpListener) -> Self {
        let options = EmulatorOptions { client_secret: SECRET.to_owned(), ..EmulatorOptions::default() };
        let emulator = Emulator::start(listener, options).await.unwrap();
        let options = SampleTargetOptions { emulator: Some(emulator.clone()), ..SampleTargetOptions::default() };
        let target = SampleTarget::start(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), options).await.unwrap();
        Self { emulator, target }
    }

    /// A token A that the program accepts.
    pub fn token(&self) -> String {
        self.emulator.mint(&TokenRequest::default())
    }

    /// A configuration of the usual routes, with further lines at its top level.
    pub fn configuration(&self, more: &str) -> String {
        configuration(self.emulator.url(), self.target.url(), more)
    }

    /// The program, serving that configuration, with the keys of the identity provider loaded.
    pub async fn serve(&self, more: &str) -> Program {
        let program = Program::serve(&self.configuration(more)).await;
        program.wait_until_ready().await;
        program
    }
}

impl Reply {
    /// The `code` of a problem body.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Routes to the sample target, listeners on free ports.
pub fn configuration(authority: &str, target: &str, more: &str) -> String {
    let listeners = if more.contains("listen:") { "" } else { "listen: [{address: '127.0.0.1:0'}]" };
    let admin = if more.contains("admin:") { "" } else { "admin: {address: '127.0.0.1:0'}" };
    format!(
        "{listeners}\n{admin}\n{more}\n\
         identities:\n  default:\n    tenant_id: {TENANT_ID}\n    client_id: {CLIENT_ID}\n    \
         authority: {authority}\n    credential: {{client_secret: {SECRET}}}\n    timeout: 2s\n\
         routes:\n  \
         - {{name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}}\n  \
         - {{name: payroll, path: /payroll, target: '{target}/payroll', scopes: [api://payroll/Payroll.Read]}}\n"
    )
}

/// A new file with this text.
pub fn file(text: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("routes-{}-{count}.yaml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// A port that nobody else gets while this is alive, and on which nobody listens yet.
pub struct Reservation(tokio::net::TcpSocket);

impl Reservation {
    /// Reserves a port. A program that allows the reuse of addresses, as ours does, can listen on it all the same.
    pub fn take() -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self(socket)
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub fn listen(self) -> std::net::TcpListener {
        self.0.listen(128).unwrap().into_std().unwrap()
    }
}

/// A client without redirects and retries. It opens a connection for each request: one that is kept would end with the
/// runtime of the test that opened it.
pub fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        install_crypto_provider();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        client.pool_max_idle_per_host(0).build().unwrap()
    });
    CLIENT.clone()
}

/// `GET`, with a bearer token unless it is empty.
pub async fn get(url: &str, token: &str) -> Result<Reply, reqwest::Error> {
    let mut request = client().get(url);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let response = request.send().await?;
    Ok(Reply { status: response.status().as_u16(), headers: response.headers().clone(), text: response.text().await? })
}

/// Waits for something that is about to happen, for at most a minute: pauses between attempts
/// grow while a busy machine lets them fail.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..6_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}
