//! The program as a child process: started, listened to, signalled by its id, and ended with the test.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::{Reply, eventually, file, get};

/// A running program.
pub struct Program {
    child: Child,
    stdout: Pipe,
    stderr: Pipe,
    /// `http://127.0.0.1:PORT` of the first listener; empty for commands without one.
    pub url: String,
    /// `http://127.0.0.1:PORT` of the admin listener.
    pub admin: String,
}

/// What a child wrote so far.
struct Pipe {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// A command of the program, with none of our own variables in its environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obo-proxy"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    for name in ["OBO_PROXY_CONFIG", "OBO_LISTEN", "OBO_ADMIN", "OBO_AUTHORITY", "OBO_TARGET", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command that ends by itself.
pub fn output(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

impl Program {
    /// Starts a command that stays.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take().map_or_else(Pipe::absent, Pipe::drain);
        let stderr = child.stderr.take().map_or_else(Pipe::absent, Pipe::drain);
        Self { child, stdout, stderr, url: String::new(), admin: String::new() }
    }

    /// `obo-proxy run` with this configuration, which has JSON lines and ports of its own choice.
    pub async fn serve(configuration: &str) -> Self {
        Self::serve_with(configuration, &[]).await
    }

    /// As [`Program::serve`], with variables in its environment.
    pub async fn serve_with(configuration: &str, variables: &[(&str, &str)]) -> Self {
        let path = file(configuration);
        let mut command = command(&["run", "--config", path.to_str().unwrap()]);
        command.envs(variables.iter().copied());
        Self::serve_by(command).await
    }

    /// Starts a command that ends in `obo-proxy run`, and waits until it says where it serves.
    pub async fn serve_by(command: Command) -> Self {
        let mut program = Self::start(command);
        let serving = program.line_with("message", "serving").await;
        program.url = format!("http://{}", serving["listen"].as_str().unwrap());
        program.admin = format!("http://{}", serving["admin"].as_str().unwrap());
        program
    }

    /// `HOST:PORT` of the first listener.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    pub async fn get(&self, path: &str, token: &str) -> Reply {
        get(&format!("{}{path}", self.url), token).await.unwrap()
    }

    /// Waits until the signing keys are loaded.
    pub async fn wait_until_ready(&self) {
        let url = format!("{}/readyz", self.admin);
        eventually("the program is ready", async || get(&url, "").await.is_ok_and(|reply| reply.status == 200)).await;
    }

    /// The value of a metric, with its labels as the exposition writes them; nothing where it does not occur.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = get(&format!("{}/metrics", self.admin), "").await.unwrap().text;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The JSON lines so far whose member `name` is `value`.
    pub fn lines_with(&self, name: &str, value: &str) -> Vec<Value> {
        let text = self.stdout();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line[name] == value).collect()
    }

    /// The first JSON line whose member `name` is `value`, once it is there.
    pub async fn line_with(&self, name: &str, value: &str) -> Value {
        let what = format!("a line with {name} {value}");
        eventually(&what, async || !self.lines_with(name, value).is_empty()).await;
        self.lines_with(name, value).remove(0)
    }

    /// Sends a signal to this very process.
    pub fn signal(&self, name: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(status.success());
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the process has ended and its output is complete.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the program ends", async || !self.is_running()).await;
        self.stdout.finish();
        self.stderr.finish();
        self.child.wait().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pipe {
    /// For output that goes elsewhere.
    fn absent() -> Self {
        Self { text: Arc::default(), reader: None }
    }

    fn drain(mut source: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = source.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

/// Far longer than leaving takes where nothing holds it up, far shorter than any drain time in these tests.
pub const PROMPTLY: Duration = Duration::from_secs(2);
