//! Bytes on a socket: requests that no client library would send, and targets that answer what they are told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Sends `request` on a fresh connection and reads until the peer closes or is silent for a while.
pub async fn exchange(address: &str, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A peer that refuses early may close while we are still writing.
    let _ = stream.write_all(request).await;
    read_all(&mut stream).await
}

/// Reads until the peer closes or is silent for half a second.
pub async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut buffer = vec![0; 65536];
    while let Ok(Ok(read @ 1..)) = timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..read]);
    }
    answer
}

/// A target that answers each connection's first request with fixed bytes and closes.
pub struct RawTarget {
    pub url: String,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl RawTarget {
    /// Answers the first connection with the first answer, and so on; the last one from then on.
    pub async fn start(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            for turn in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let answer = answers[usize::min(turn, answers.len() - 1)].clone();
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let request = read_request(&mut stream).await;
                    log.lock().unwrap().push(request);
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { url, received }
    }

    /// The requests so far, header section and body.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.received.lock().unwrap().clone()
    }
}

/// A header section and, where it announces a length, the body.
async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer).await else { return request };
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            return request;
        }
    }
}
