//! A proxy as a child process, and what the kernel says that it used.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::system::{address, reserve};

/// A running proxy; ends with this value.
pub struct Proxy {
    child: Child,
    /// `HOST:PORT`
    pub address: String,
    _port: TcpSocket,
}

impl Proxy {
    /// A Pingora proxy that only picks the peer.
    pub fn bare(target: &str) -> Self {
        let port = reserve();
        let address = address(&port);
        Self::start(&["--serve", "bare", &address, target], port)
    }

    /// `obo-proxy run`, with one route.
    pub fn obo(authority: &str, target: &str, level: &str) -> Self {
        let port = reserve();
        let configuration = format!(
            "listen: [{{address: '{}'}}]\nlog: {{level: {level}}}\n\
             identities:\n  default:\n    tenant_id: 11111111-2222-3333-4444-555555555555\n    \
             client_id: 00001111-aaaa-2222-bbbb-3333cccc4444\n    authority: {authority}\n    \
             credential: {{client_secret: emulator-secret}}\n\
             routes:\n  - {{path: /orders, target: 'http://{target}', scopes: [api://orders-backend/Orders.Read]}}\n",
            address(&port)
        );
        let file =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}-{level}.yaml", std::process::id()));
        std::fs::write(&file, configuration).unwrap();
        Self::start(&["--serve", "obo", file.to_str().unwrap()], port)
    }

    fn start(arguments: &[&str], port: TcpSocket) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { child, address: address(&port), _port: port }
    }

    /// Waits until the request is answered with 200.
    pub async fn wait_until_served(&self, request: &[u8]) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for _ in 0..500 {
            if let Ok(mut stream) = TcpStream::connect(&self.address).await {
                stream.write_all(request).await.unwrap();
                let mut answer = [0; 12];
                if stream.read_exact(&mut answer).await.is_ok() && answer.ends_with(b" 200") {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} never served", self.address);
    }

    /// The CPU time that all its threads have had.
    pub fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of_task = |path: PathBuf| {
            let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(|task| of_task(task.ok()?.path())).sum())
    }

    /// The most memory that it ever had resident.
    pub fn peak_memory_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
