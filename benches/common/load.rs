//! Load that costs little: a keep-alive client and a target on bare sockets, with fixed messages.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers every request with the same few bytes.
pub struct Target {
    /// `HOST:PORT`
    pub address: String,
}

impl Target {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(answer(stream));
            }
        });
        Self { address }
    }
}

async fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await {
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(ANSWER.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

/// A connection of a caller, kept from request to request.
pub struct Caller {
    stream: TcpStream,
    buffer: Box<[u8; 8 * 1024]>,
}

pub async fn connect(address: &str, count: usize) -> Vec<Caller> {
    let mut callers = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        callers.push(Caller { stream, buffer: Box::new([0; 8 * 1024]) });
    }
    callers
}

/// A connection on which this request has been answered with 200, where it has.
pub async fn connect_served(address: &str, request: &[u8]) -> Option<Caller> {
    let stream = TcpStream::connect(address).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let mut caller = Caller { stream, buffer: Box::new([0; 8 * 1024]) };
    caller.answer(request).await.ok().map(|()| caller)
}

impl Caller {
    /// Sends a request and reads its answer; tells how long that took.
    pub async fn call(&mut self, request: &[u8]) -> Duration {
        let started = Instant::now();
        self.answer(request).await.unwrap_or_else(|cause| panic!("{cause}"));
        started.elapsed()
    }

    /// Fails with what came instead of the whole answer.
    async fn answer(&mut self, request: &[u8]) -> Result<(), String> {
        self.stream.write_all(request).await.map_err(|error| error.to_string())?;
        let mut filled = 0;
        while !self.buffer[..filled].ends_with(BODY.as_bytes()) {
            let read = self.stream.read(&mut self.buffer[filled..]).await.map_err(|error| error.to_string())?;
            filled += read;
            if read == 0 || !self.buffer.starts_with(b"HTTP/1.1 200 ") {
                return Err(String::from_utf8_lossy(&self.buffer[..filled]).into_owned());
            }
        }
        Ok(())
    }
}

/// Has all callers take turns for some time, and all requests as well, with so many requests under way at once as there
/// are `lanes`.
pub async fn run_in_turn(callers: &mut [Caller], requests: &[Vec<u8>], lanes: usize, time: Duration) -> Vec<Duration> {
    let end = Instant::now() + time;
    let share = callers.len().div_ceil(lanes);
    let runs = callers.chunks_mut(share).enumerate().map(async |(lane, callers)| {
        let mut latencies = Vec::with_capacity(1 << 16);
        let mut request = requests.len() * lane / lanes;
        let mut caller = 0;
        while Instant::now() < end {
            latencies.push(callers[caller].call(&requests[request]).await);
            caller = (caller + 1) % callers.len();
            request = (request + 1) % requests.len();
        }
        latencies
    });
    join_all(runs).await.concat()
}

/// What a client library sends.
pub fn request(token: &str) -> Vec<u8> {
    request_to("/orders/1?expand=lines", token)
}

/// The same, for another path.
pub fn request_to(path: &str, token: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: api.contoso.com\r\nUser-Agent: bench/1.0\r\n\
         Accept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    )
    .into_bytes()
}

const BODY: &str = r#"{"id":1,"state":"shipped","lines":[{"sku":"a-17","count":2}]}"#;
const ANSWER: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 61\r\n",
    "cache-control: private\r\nx-backend: orders\r\n\r\n",
    r#"{"id":1,"state":"shipped","lines":[{"sku":"a-17","count":2}]}"#
);
