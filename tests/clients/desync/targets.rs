//! Targets with parsers of others, which tell of each request that they took for one.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::installation::{node_folder, python, sources};
use crate::support::program::Program;
use crate::support::{eventually, unused_path};

/// A target that runs.
pub struct Target {
    pub url: String,
    program: Program,
    /// Where it writes what it saw; nowhere but on its standard output if there is none.
    log: Option<PathBuf>,
}

impl Target {
    pub fn nginx() -> Self {
        let directory = unused_path("nginx");
        std::fs::create_dir_all(&directory).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let text = CONFIGURATION.replace("{address}", &address).replace("{directory}", directory.to_str().unwrap());
        let file = directory.join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        // A socket that it inherits spares nginx a port of its own. It does not listen on descriptor 0.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 7<&0 </dev/null"#, "sh"]);
        command.arg(NGINX.into_iter().find(|path| runs(path)).unwrap_or_else(|| panic!("{MISSING}")));
        command.args(["-e", "stderr", "-p"]).arg(&directory).arg("-c").arg(&file);
        command.env("NGINX", "7;").stdin(OwnedFd::from(socket)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = Program::start(command);
        Self { url: format!("http://{address}"), program, log: Some(directory.join("seen.log")) }
    }

    pub async fn python() -> Self {
        let interpreter = tokio::task::spawn_blocking(python).await.unwrap();
        let mut command = Command::new(interpreter);
        command.arg(sources("python/logging_target.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        Self::script(command).await
    }

    pub async fn node() -> Self {
        let folder = tokio::task::spawn_blocking(node_folder).await.unwrap();
        let mut command = Command::new("node");
        command.arg(folder.join("logging_target.mjs")).env_remove("NODE_OPTIONS");
        Self::script(command).await
    }

    async fn script(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let program = Program::start(command);
        let mut port = None;
        eventually("the target says where it listens", async || {
            let text = program.stdout();
            let line = text.lines().next().and_then(|line| serde_json::from_str::<Value>(line).ok());
            port = line.and_then(|line| line["port"].as_u64());
            port.is_some()
        })
        .await;
        Self { url: format!("http://127.0.0.1:{}", port.unwrap()), program, log: None }
    }

    /// The requests that it took for whole ones, in the order of their ends.
    pub fn seen(&self) -> Vec<Value> {
        let text = match &self.log {
            Some(log) => std::fs::read_to_string(log).unwrap_or_default(),
            None => self.program.stdout(),
        };
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["whole"] == "OK").collect()
    }
}

impl Drop for Target {
    /// The worker of nginx stays if its master is just killed.
    fn drop(&mut self) {
        if self.log.is_some() && self.program.is_running() {
            self.program.signal("TERM");
            while self.program.is_running() {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
    }
}

fn runs(path: &str) -> bool {
    Command::new(path).arg("-v").stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

const CONFIGURATION: &str = include_str!("nginx.conf");

/// Debian keeps it where ordinary users do not look.
const NGINX: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

const MISSING: &str = "nginx; on Debian and Ubuntu `make test` installs it";
