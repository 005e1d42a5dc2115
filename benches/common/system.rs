//! What benchmarks need of the system: ports for children, and more open files than usual.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::Command;

use tokio::net::TcpSocket;

/// A port for a child to listen on. Nobody listens on it yet, and nobody else is given it.
pub fn reserve() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    socket
}

/// `HOST:PORT`
pub fn address(port: &TcpSocket) -> String {
    port.local_addr().unwrap().to_string()
}

/// Crowds need more file descriptors than the usual soft limit; a process cannot raise its own without unsafe code,
/// so a shell does it and starts this program again.
pub fn raise_file_limit() {
    if std::env::var_os(RAISED).is_some() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n $(ulimit -Hn) 2>/dev/null; exec \"$0\" \"$@\""]).arg(program);
    let failure = shell.args(std::env::args().skip(1)).env(RAISED, "1").exec();
    panic!("failed to start again: {failure}");
}

const RAISED: &str = "OBO_PROXY_BENCH_LIMIT_RAISED";
