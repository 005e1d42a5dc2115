//! A caller: a user with a token A and a connection that is kept, who knows what answer is due.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::message::{Message, Reader};
use super::tally::Tally;

/// A stream to the proxy.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

/// Where the proxy listens, and how callers speak to it.
#[derive(Clone)]
pub struct Door {
    pub address: String,
    pub tls: Option<TlsConnector>,
}

pub struct Caller {
    pub user: String,
    pub token: String,
    door: Door,
    kept: Option<Connection>,
}

pub struct Connection {
    pub stream: Box<dyn Stream>,
    pub reader: Reader,
}

/// What a caller asks for.
pub enum Wish<'a> {
    /// To read.
    Get(&'a str),
    /// To write so many bytes, with a length or in chunks.
    Post { size: usize, chunked: bool },
}

/// What the answer must be.
pub enum Due {
    /// The target's, to this user; and how many bytes of the request's body it counted.
    Own(usize),
    /// The target's challenge to this user.
    Challenge,
    /// The proxy's refusal.
    Refusal(u16),
}

/// Why there is no answer.
enum Fault {
    /// The connection ended before a byte of the answer came: whoever keeps connections has to expect that (RFC 9112
    /// section 9.3.1).
    Stale,
    Broken(String),
}

impl Door {
    pub async fn open(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect("localhost".try_into().map_err(io::Error::other)?, stream).await?),
        };
        Ok(Connection { stream, reader: Reader::default() })
    }
}

impl Caller {
    pub fn new(door: &Door, user: &str, token: String) -> Self {
        Self { user: user.to_owned(), token, door: door.clone(), kept: None }
    }

    /// Uses a new connection for the next request.
    pub fn leave(&mut self) {
        self.kept = None;
    }

    /// Sends a request and judges the answer.
    pub async fn ask(&mut self, path: &str, wish: Wish<'_>, due: &Due, tally: &Tally) {
        let request = self.request(path, &wish);
        let started = Instant::now();
        match tokio::time::timeout(PATIENCE, self.exchange(&request, tally)).await {
            Err(_) => tally.failed(&format!("{path}: no answer in {PATIENCE:?}")),
            Ok(Err(cause)) => tally.failed(&format!("{path}: {cause}")),
            Ok(Ok(answer)) => self.judge(path, &answer, due, started, tally),
        }
    }

    /// Once more on a new connection where the kept one had ended.
    async fn exchange(&mut self, request: &[u8], tally: &Tally) -> Result<Message, String> {
        if let Some(connection) = self.kept.take() {
            match self.attempt(connection, request).await {
                Err(Fault::Stale) => tally.resent(),
                Err(Fault::Broken(cause)) => return Err(cause),
                Ok(answer) => return Ok(answer),
            }
        }
        let connection = self.door.open().await.map_err(|error| format!("not connected: {error}"))?;
        self.attempt(connection, request).await.map_err(|fault| match fault {
            Fault::Stale => "a new connection ended without an answer".to_owned(),
            Fault::Broken(cause) => cause,
        })
    }

    async fn attempt(&mut self, mut connection: Connection, request: &[u8]) -> Result<Message, Fault> {
        let Connection { stream, reader } = &mut connection;
        // An answer may come before the whole request is sent: a refusal of a large body.
        let sent = stream.write_all(request).await;
        let answer = match reader.message(stream).await {
            Ok(answer) => answer,
            Err(_) if reader.is_empty() => return Err(Fault::Stale),
            Err(error) => return Err(Fault::Broken(format!("the answer broke off: {error}"))),
        };
        let closes = answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if sent.is_ok() && !closes {
            self.kept = Some(connection);
        }
        Ok(answer)
    }

    fn judge(&self, path: &str, answer: &Message, due: &Due, started: Instant, tally: &Tally) {
        let body = String::from_utf8_lossy(&answer.body);
        let own = body.lines().next() == Some(&self.user);
        let told = || {
            format!("{path} of {}: {} {}", self.user, answer.head.trim(), body.chars().take(120).collect::<String>())
        };
        let as_due = match (due, answer.status()) {
            (Due::Own(size), 200) => {
                if !own {
                    return tally.wrong(&told());
                }
                body.lines().nth(1) == Some(&size.to_string())
            }
            (Due::Challenge, 401) => {
                own && answer.field("www-authenticate").is_some_and(|value| value.contains("e30="))
            }
            (Due::Refusal(_), 200) => return tally.wrong(&told()),
            (Due::Refusal(status), found) => found == *status,
            _ => false,
        };
        if as_due { tally.served(started.elapsed()) } else { tally.failed(&told()) }
    }

    fn request(&self, path: &str, wish: &Wish<'_>) -> Vec<u8> {
        let (method, more) = match wish {
            Wish::Get(more) => ("GET", (*more).to_owned()),
            Wish::Post { size, chunked: false } => ("POST", format!("Content-Length: {size}\r\n")),
            Wish::Post { .. } => ("POST", "Transfer-Encoding: chunked\r\n".to_owned()),
        };
        let authorization =
            if self.token.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", self.token) };
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: api.contoso.com\r\nUser-Agent: soak/1.0\r\nAccept: application/json\r\n\
             X-Expected: {}\r\n{authorization}{more}\r\n",
            self.user
        )
        .into_bytes();
        if let Wish::Post { size, chunked } = wish {
            push_body(&mut request, *size, *chunked);
        }
        request
    }

    /// Goes on as a WebSocket on a connection of its own, whose first words must be to this user.
    pub async fn upgrade(&self, path: &str) -> Result<Connection, String> {
        let mut connection = self.door.open().await.map_err(|error| error.to_string())?;
        let more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let request = self.request(path, &Wish::Get(more));
        let Connection { stream, reader } = &mut connection;
        stream.write_all(&request).await.map_err(|error| error.to_string())?;
        let answer = reader.message(stream).await.map_err(|error| error.to_string())?;
        if answer.status() != 101 {
            return Err(answer.head);
        }
        let greeting = reader.exactly(stream, self.user.len() + 1).await.map_err(|error| error.to_string())?;
        if greeting.strip_suffix(b"\n") == Some(self.user.as_bytes()) {
            Ok(connection)
        } else {
            Err(format!("{} was greeted as {}", self.user, String::from_utf8_lossy(&greeting)))
        }
    }
}

fn push_body(request: &mut Vec<u8>, size: usize, chunked: bool) {
    if !chunked {
        return request.resize(request.len() + size, b'y');
    }
    let mut left = size;
    while left > 0 {
        let chunk = left.min(8_000);
        request.extend(format!("{chunk:x}\r\n").into_bytes());
        request.resize(request.len() + chunk, b'y');
        request.extend(b"\r\n");
        left -= chunk;
    }
    request.extend(b"0\r\n\r\n");
}

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
