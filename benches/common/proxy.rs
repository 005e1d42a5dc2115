//! A proxy as a child process, and what the kernel says that it used.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpSocket;

use super::load::connect_served;
use super::system::{address, reserve};

/// A running proxy; ends with this value.
pub struct Proxy {
    child: Child,
    /// `HOST:PORT`
    pub address: String,
    _port: TcpSocket,
}

impl Proxy {
    /// A Pingora proxy that only picks the peer, served by this very binary behind `wrapper`.
    pub fn bare(wrapper: &[String], target: &str) -> Self {
        let port = reserve();
        let address = address(&port);
        Self::start(this_program(wrapper, &["--serve", "bare", &address, target]), port)
    }

    /// `obo-proxy run`, served by this very binary behind `wrapper`; `configuration` is told where to listen.
    pub fn obo(wrapper: &[String], name: &str, configuration: impl FnOnce(&str) -> String) -> Self {
        let port = reserve();
        let file = file(name, &configuration(&address(&port)));
        Self::start(this_program(wrapper, &["--serve", "obo", file.to_str().unwrap()]), port)
    }

    /// Whatever this command starts, which listens at `port`. Its log is read and thrown away.
    pub fn start(mut command: Command, port: TcpSocket) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, address: address(&port), _port: port }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the request is answered with 200.
    pub async fn wait_until_served(&self, request: &[u8]) {
        for _ in 0..PATIENCE {
            if connect_served(&self.address, request).await.is_some() {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{} never served", self.address);
    }

    /// The CPU time that all its threads have had.
    pub fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of_task = |path: PathBuf| {
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(|task| of_task(task.ok()?.path())).sum())
    }

    /// The memory that it has resident, in bytes.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that it ever had resident, in bytes.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of this run.
pub fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}-{name}", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

fn this_program(wrapper: &[String], arguments: &[&str]) -> Command {
    let this = std::env::current_exe().unwrap();
    let words = wrapper.iter().map(String::as_str).chain([this.to_str().unwrap()]).chain(arguments.iter().copied());
    let words: Vec<_> = words.collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// A proxy under an instrument starts slowly.
const PATIENCE: usize = 3_000;
const PAUSE: Duration = Duration::from_millis(20);
