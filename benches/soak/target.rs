//! A target that tells each caller who it was taken for, and counts whoever was taken for somebody else. It can be
//! stopped in the middle of everything and started again at the same address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::message::{Message, Reader};
use super::provider::token_b;

pub struct Target {
    address: SocketAddr,
    seen: Arc<Seen>,
    running: JoinHandle<()>,
}

/// What arrived.
#[derive(Default)]
struct Seen {
    requests: AtomicU64,
    wrong: AtomicU64,
}

impl Target {
    pub fn start() -> Self {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = listener.local_addr().unwrap();
        let seen = Arc::default();
        let running = run(listener, &seen);
        Self { address, seen, running }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests that arrived, and those of them whose token B was not that of the user whom the caller named.
    pub fn requests(&self) -> (u64, u64) {
        (self.seen.requests.load(Ordering::Relaxed), self.seen.wrong.load(Ordering::Relaxed))
    }

    /// Breaks off every connection and listens no more.
    pub async fn stop(&mut self) {
        self.running.abort();
        let _ = (&mut self.running).await;
    }

    /// Listens again.
    pub fn start_again(&mut self) {
        self.running = run(listen(self.address), &self.seen);
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(4096).unwrap()
}

/// The connections end with the task that accepts them.
fn run(listener: TcpListener, seen: &Arc<Seen>) -> JoinHandle<()> {
    let seen = Arc::clone(seen);
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    stream.set_nodelay(true).unwrap();
                    connections.spawn(serve(stream, Arc::clone(&seen)));
                },
                Some(_) = connections.join_next() => {}
            }
        }
    })
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>) {
    let mut reader = Reader::default();
    while let Ok(request) = reader.message(&mut stream).await {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        let user = user(&request);
        if request.field("x-expected") != Some(&user) {
            seen.wrong.fetch_add(1, Ordering::Relaxed);
        }
        let answer = answer(&request, &user);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
        if answer.starts_with(b"HTTP/1.1 101") {
            return echo(&mut reader, &mut stream).await;
        }
    }
}

/// The user whom the token B of a request stands for; empty where it is none of ours.
fn user(request: &Message) -> String {
    let token = request.field("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let user = token.split('~').nth(1).unwrap_or_default();
    if token == token_b(user) { user.to_owned() } else { String::new() }
}

fn answer(request: &Message, user: &str) -> Vec<u8> {
    let path = request.head.split(' ').nth(1).unwrap_or_default();
    if request.field("upgrade").is_some() {
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n{user}\n"
        );
        return head.into_bytes();
    }
    if path.ends_with("/challenge") {
        return format!(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer error=\"insufficient_claims\", claims=\"e30=\"\r\n\
             content-length: {}\r\n\r\n{user}\n",
            user.len() + 1
        )
        .into_bytes();
    }
    let size = path.rsplit_once("/bytes/").and_then(|(_, size)| size.parse().ok()).unwrap_or(0_usize);
    let mut body = format!("{user}\n{}\n", request.body.len()).into_bytes();
    body.resize(body.len() + size, b'x');
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body].concat()
}

/// Says everything again, byte by byte, until the caller leaves.
async fn echo(reader: &mut Reader, stream: &mut TcpStream) {
    while let Ok(byte) = reader.exactly(stream, 1).await {
        if stream.write_all(&byte).await.is_err() {
            return;
        }
    }
}
