//! A world for a test: emulator, sample target and proxy, each on a port of its own, and what went through them.

pub mod faulty;
pub mod frames;
pub mod gate;
pub mod http2;
pub mod log;
pub mod provider;
pub mod raw;
pub mod refusal;
pub mod tls;
pub mod wire;

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use obo_proxy::config;
use obo_proxy::emulator::{Emulator, EmulatorOptions, SampleTarget, SampleTargetOptions, TokenRequest};
use obo_proxy::instance::{Instance, Reloads};
use obo_proxy::server::{Departure, Listeners, install_crypto_provider, raise_open_files};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The client secret of every world; no log line and no response may show it.
pub const SECRET: &str = "emulator-secret";

/// The parameters of token requests that nothing may show.
const CREDENTIALS: [&str; 6] =
    ["client_secret", "client_assertion", "assertion", "subject_token", "refresh_token", "code"];

/// Emulator, target and proxy. Dropping it makes sure that nothing secret was logged or answered.
pub struct World {
    pub emulator: Emulator,
    pub target: SampleTarget,
    pub proxy: Proxy,
    tokens: Mutex<Vec<String>>,
    answers: Mutex<Vec<String>>,
    /// How much had been logged when it began.
    log_before: usize,
}

/// A proxy that serves.
pub struct Proxy {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// `http://127.0.0.1:PORT`
    pub admin: String,
    pub listeners: Arc<Listeners>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Departure>>,
}

/// An answer as a client sees it.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

/// The routes of most tests: the sample target with and without requirements.
pub const ROUTES: &str = r"
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: payroll, path: /payroll, target: '{target}/payroll', scopes: [api://payroll/Payroll.Read]}
";

impl World {
    /// The usual world.
    pub async fn start() -> Self {
        Self::with(EmulatorOptions::default(), "", ROUTES).await
    }

    /// A world with routes of its own; `{target}` stands for the sample target's address.
    pub async fn with_routes(routes: &str) -> Self {
        Self::with(EmulatorOptions::default(), "", routes).await
    }

    /// A world with further settings of its identity, each line indented by four blanks.
    pub async fn with(options: EmulatorOptions, identity: &str, routes: &str) -> Self {
        let emulator = Emulator::start(listener(), options).await.unwrap();
        let world = Self::around(emulator, identity, routes, |configuration| configuration).await;
        world.proxy.wait_until_ready().await;
        world
    }

    /// A world with these lines at the top of its configuration.
    pub async fn configured(settings: &str, routes: &str) -> Self {
        let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
        let world = Self::around(emulator, "", routes, |rest| format!("{settings}\n{rest}")).await;
        world.proxy.wait_until_ready().await;
        world
    }

    /// A world around this identity provider, whose proxy may not be ready yet; `edit` has the last word about its
    /// configuration.
    pub async fn around(emulator: Emulator, identity: &str, routes: &str, edit: impl Fn(String) -> String) -> Self {
        log::capture();
        let log_before = log::length();
        raise_open_files();
        install_crypto_provider();
        let options = SampleTargetOptions { emulator: Some(emulator.clone()), ..SampleTargetOptions::default() };
        let target = SampleTarget::start(listener(), options).await.unwrap();
        let routes = routes.replace("{target}", target.url());
        let proxy = Proxy::start(&edit(configuration(emulator.public_url(), identity, &routes))).await;
        Self { emulator, target, proxy, tokens: Mutex::default(), answers: Mutex::default(), log_before }
    }

    /// A token A that the proxy accepts.
    pub fn token(&self) -> String {
        self.mint(&TokenRequest::default())
    }

    /// A token A of another user.
    pub fn token_of(&self, oid: &str) -> String {
        self.mint(&TokenRequest::default().user(oid))
    }

    /// A token A as described.
    pub fn mint(&self, request: &TokenRequest) -> String {
        let token = self.emulator.mint(request);
        self.keep_secret(&token);
        token
    }

    /// Adds to what must never be logged or answered.
    pub fn keep_secret(&self, token: &str) {
        self.tokens.lock().unwrap().push(token.to_owned());
    }

    /// Adds to what must not show a token, in the end: an answer that was not read by [`World::send`].
    pub fn note_answer(&self, answer: String) {
        self.answers.lock().unwrap().push(answer);
    }

    /// `GET` with a bearer token.
    pub async fn get(&self, path: &str, token: &str) -> Reply {
        self.send(Method::GET, path, &[("authorization", &format!("Bearer {token}"))], "").await
    }

    /// Any request.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = client().request(method, format!("{}{path}", self.proxy.url)).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let reply = Reply { status, headers, text: response.text().await.unwrap() };
        self.answers.lock().unwrap().push(format!("{reply:?}"));
        reply
    }

    /// How many exchanges and other token requests reached the identity provider.
    pub fn token_requests(&self) -> u64 {
        self.emulator.counters().token
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let tokens_b = self.target.requests().into_iter().filter_map(|request| {
            request.header("authorization").and_then(|value| value.split(' ').nth(1)).map(str::to_owned)
        });
        let requests = self.emulator.recorded().into_iter().chain(self.target.token_requests());
        let sent =
            requests.flat_map(|request| CREDENTIALS.map(|name| request.field(name).map(str::to_owned))).flatten();
        let mut secrets: Vec<_> = self.tokens.lock().unwrap().drain(..).chain(tokens_b).chain(sent).collect();
        secrets.push(SECRET.to_owned());
        secrets.sort_unstable();
        secrets.dedup();
        let answers = self.answers.lock().unwrap().join("\n");
        let log = log::captured_since(self.log_before);
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            // The signature alone would be enough to rebuild a token from what else is known of it.
            let signature = secret.rsplit('.').next().unwrap_or(secret);
            for part in [secret.as_str(), signature] {
                assert!(part.len() < 8 || !log.contains(part), "logged: {part}");
                assert!(part.len() < 8 || !answers.contains(part), "answered: {part}");
            }
        }
    }
}

impl Proxy {
    /// A proxy with this configuration, serving but perhaps not ready.
    pub async fn start(configuration: &str) -> Self {
        let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let settings = config::parse("routes.yaml", configuration, base, &|_| None)
            .unwrap_or_else(|findings| panic!("{findings}"));
        Self::serve(Instance::assemble(settings).await.unwrap())
    }

    /// A proxy that goes by the configuration in this file and follows it.
    pub async fn following(file: &std::path::Path) -> (Self, Reloads) {
        let settings = config::load(file).unwrap_or_else(|findings| panic!("{findings}"));
        let mut instance = Instance::assemble(settings).await.unwrap();
        let reloads = instance.follow(file, None);
        (Self::serve(instance), reloads)
    }

    fn serve(instance: Instance) -> Self {
        let url = format!("http://{}", instance.addresses()[0]);
        let admin = instance.admin_address().map(|address| format!("http://{address}")).unwrap_or_default();
        let listeners = Arc::clone(instance.listeners());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(instance.serve(None, async { drop(stopped.await) }));
        Self { url, admin, listeners, stop: Some(stop), serving: Some(serving) }
    }

    /// `HOST:PORT`
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Waits until `/readyz` says so.
    pub async fn wait_until_ready(&self) {
        eventually("the proxy is ready", async || self.admin("/readyz").await.0 == StatusCode::OK).await;
    }

    /// `GET` on the admin listener.
    pub async fn admin(&self, path: &str) -> (StatusCode, String) {
        let response = client().get(format!("{}{path}", self.admin)).send().await.unwrap();
        (response.status(), response.text().await.unwrap())
    }

    /// The value of a metric, with its labels as the exposition writes them; 0 where there is none yet.
    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.admin("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Asks the proxy to leave, and waits until it has.
    pub async fn stop(&mut self) -> Departure {
        drop(self.stop.take());
        self.serving.take().unwrap().await.unwrap()
    }
}

impl Reply {
    /// The `code` of a problem body.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The only `WWW-Authenticate`, or nothing.
    pub fn challenge(&self) -> &str {
        let values: Vec<_> = self.headers.get_all("www-authenticate").iter().collect();
        assert!(values.len() <= 1, "{values:?}");
        values.first().map_or("", |value| value.to_str().unwrap())
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A configuration with one listener and one admin listener on free ports.
pub fn configuration(authority: &str, identity: &str, routes: &str) -> String {
    format!(
        "listen: [{{address: '127.0.0.1:0'}}]\n\
         admin: {{address: '127.0.0.1:0'}}\n\
         drain_timeout: 5s\n\
         identities:\n  default:\n    tenant_id: 11111111-2222-3333-4444-555555555555\n    \
         client_id: 00001111-aaaa-2222-bbbb-3333cccc4444\n    authority: {authority}\n    \
         credential: {{client_secret: {SECRET}}}\n{identity}\nroutes:{routes}"
    )
}

/// A socket on a free port.
pub fn listener() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

/// A client without redirects, cookies and retries. It opens a connection for each request: one that is kept would
/// end with the runtime of the test that opened it.
pub fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        install_crypto_provider();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        client.pool_max_idle_per_host(0).build().unwrap()
    });
    CLIENT.clone()
}

/// Waits for something that is about to happen, for at most half a minute.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..3_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}

/// Runs `count` tasks at once and collects what they return, in their order.
pub async fn at_once<T, F>(count: usize, task: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|turn| tokio::spawn(task(turn))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
