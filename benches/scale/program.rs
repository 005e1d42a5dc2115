//! The program itself, in the profile that it is shipped in, as a child process with a configuration of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::provider::{CLIENT, Provider, TENANT};
use super::proxy::{Proxy, file};
use super::system::{address, reserve};

/// The program; ends with this value.
pub struct Program {
    pub proxy: Proxy,
    pub configuration: PathBuf,
    /// How long it took from the start of the process until `/readyz` said that it is ready.
    pub ready_after: Duration,
    admin: String,
    _admin_port: TcpSocket,
    top: String,
}

impl Program {
    /// Starts it with these routes, and waits until it is ready. `variables` are for its environment.
    pub async fn start(name: &str, provider: &Provider, routes: &str, variables: &[(&str, &str)]) -> Self {
        let (port, admin_port) = (reserve(), reserve());
        let admin = address(&admin_port);
        let top = top(&address(&port), &admin, provider.authority());
        let configuration = file(&format!("{name}.yaml"), &format!("{top}{routes}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_obo-proxy"));
        command.args(["run".as_ref(), "--config".as_ref(), configuration.as_os_str()]);
        command.envs(variables.iter().copied());
        let started = Instant::now();
        let proxy = Proxy::start(command, port);
        wait_until_ready(&admin).await;
        let ready_after = started.elapsed();
        Self { proxy, configuration, ready_after, admin, _admin_port: admin_port, top }
    }

    /// Puts other routes in place of those that it has. It takes them at the next [`Program::hang_up`].
    pub fn write_routes(&self, routes: &str) {
        let aside = self.configuration.with_extension("new");
        std::fs::write(&aside, format!("{}{routes}", self.top)).unwrap();
        std::fs::rename(&aside, &self.configuration).unwrap();
    }

    /// Has it read its configuration again.
    pub fn hang_up(&self) {
        let process = self.proxy.id().to_string();
        assert!(Command::new("kill").args(["-s", "HUP", &process]).status().unwrap().success());
    }

    /// The value of a metric, with its labels as the exposition writes them.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = get(&self.admin, "/metrics").await?;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.configuration);
    }
}

/// Everything but routes: what production has, with bounds that are not met.
fn top(listen: &str, admin: &str, authority: &str) -> String {
    format!(
        "listen: [{{address: '{listen}', h2c: true}}]\nadmin: {{address: '{admin}'}}\nlog: {{level: info}}\n\
         cache: {{max_entries: 2000000}}\nlimits: {{connections: 20000}}\n\
         identities:\n  default:\n    tenant_id: {TENANT}\n    client_id: {CLIENT}\n    authority: {authority}\n    \
         algorithms: [EdDSA]\n    credential: {{client_secret: bench}}\n"
    )
}

async fn wait_until_ready(admin: &str) {
    for _ in 0..PATIENCE {
        if get(admin, "/readyz").await.is_some() {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("{admin} never said that it is ready");
}

/// The answer to a request on a connection of its own, where it is 200.
async fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.starts_with("HTTP/1.1 200 ").then_some(answer)
}

const POLL: Duration = Duration::from_millis(1);
const PATIENCE: u32 = 60_000;
