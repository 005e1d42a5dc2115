//! The sidecar that other proxies ask for token B. It has one ready, so what it costs is the least that any could cost: it
//! neither verifies nor remembers nor exchanges anything.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::net::TcpSocket;

use super::answering::answer_all;
use super::process::Process;
use super::system::{address, reserve};

/// A running sidecar.
pub struct Sidecar {
    pub process: Process,
    /// `HOST:PORT`
    pub address: String,
    _port: TcpSocket,
}

impl Sidecar {
    /// Starts one that hands out `token_b` to whoever sends something as long as `token_a`.
    pub fn start(directory: &Path, token_a: &str, token_b: &str) -> Self {
        let port = reserve();
        let address = address(&port);
        let file = directory.join("token-b");
        std::fs::write(&file, token_b).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--serve", "sidecar", &address, &token_a.len().to_string()]).arg(file).stdin(Stdio::null());
        Self { process: Process::start(&mut command).unwrap(), address, _port: port }
    }
}

/// What the child does: one thread, which serves until it is ended.
pub fn serve(address: &str, least: &str, file: &str) {
    let token = std::fs::read_to_string(file).unwrap();
    let least: usize = least.parse().unwrap();
    let granted = format!("HTTP/1.1 200 OK\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n");
    // Lives as long as the process.
    let granted: &'static [u8] = granted.into_bytes().leak();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address.parse::<SocketAddr>().unwrap()).unwrap();
        let listener = socket.listen(4096).unwrap();
        answer_all(listener, move |request| if request.len() < least { REFUSED } else { granted }).await;
    });
}

/// For a contestant that does not send token A.
const REFUSED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
