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

impl Caller {
    /// Sends a request and reads its answer; tells how long that took.
    pub async fn call(&mut self, request: &[u8]) -> Duration {
        let started = Instant::now();
        self.stream.write_all(request).await.unwrap();
        let mut filled = 0;
        while !self.buffer[..filled].ends_with(BODY.as_bytes()) {
            let read = self.stream.read(&mut self.buffer[filled..]).await.unwrap();
            filled += read;
            let so_far = || String::from_utf8_lossy(&self.buffer[..filled]).into_owned();
            assert!(read > 0 && self.buffer.starts_with(b"HTTP/1.1 200 "), "{}", so_far());
        }
        started.elapsed()
    }
}

/// Has every caller send the same request again and again for some time.
pub async fn run_for(callers: &mut [Caller], request: &[u8], time: Duration) -> Vec<Duration> {
    let end = Instant::now() + time;
    let runs = callers.iter_mut().map(async |caller| {
        let mut latencies = Vec::with_capacity(1 << 16);
        while Instant::now() < end {
            latencies.push(caller.call(request).await);
        }
        latencies
    });
    join_all(runs).await.concat()
}

/// Has the callers share out the requests between them.
pub async fn run_each(callers: &mut [Caller], requests: &[Vec<u8>]) -> Vec<Duration> {
    let share = requests.len().div_ceil(callers.len());
    let runs = callers.iter_mut().zip(requests.chunks(share)).map(async |(caller, requests)| {
        let mut latencies = Vec::new();
        for request in requests {
            latencies.push(caller.call(request).await);
        }
        latencies
    });
    join_all(runs).await.concat()
}

/// What a client library sends.
pub fn request(token: &str) -> Vec<u8> {
    format!(
        "GET /orders/1?expand=lines HTTP/1.1\r\nHost: api.contoso.com\r\nUser-Agent: bench/1.0\r\n\
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
