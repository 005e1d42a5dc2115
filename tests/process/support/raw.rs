//! Bytes on a socket: connections that are kept, and requests that no client library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A connection of a caller.
pub struct Connection(TcpStream);

impl Connection {
    pub async fn open(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub async fn send(&mut self, request: &str) {
        // A program that refuses early may close while we are still writing.
        let _ = self.0.write_all(request.as_bytes()).await;
    }

    /// Sends a `GET` that leaves the connection open.
    pub async fn send_get(&mut self, path: &str, token: &str) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).await;
    }

    /// Reads the header section of an answer.
    pub async fn header_section(&mut self) -> String {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            match timeout(Duration::from_secs(20), self.0.read_u8()).await {
                Ok(Ok(byte)) => answer.push(byte),
                _ => break,
            }
        }
        String::from_utf8(answer).unwrap()
    }

    /// Reads until the peer closes or is silent for a moment.
    pub async fn rest(&mut self) -> String {
        let mut answer = Vec::new();
        let mut buffer = vec![0; 65536];
        while let Ok(Ok(read @ 1..)) = timeout(Duration::from_millis(300), self.0.read(&mut buffer)).await {
            answer.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Sends `request` on a connection of its own and returns what came back.
pub async fn exchange(address: &str, request: &str) -> String {
    let mut connection = Connection::open(address).await;
    connection.send(request).await;
    connection.rest().await
}
