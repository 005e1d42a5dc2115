//! HTTP/1.1 as it is on the wire, from both sides of the proxy: a target that a test scripts connection by
//! connection, and a caller that reads its answers message by message, without a library that would tidy them up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::World;

/// A target whose connections are served by a function of the test. It leaves with its test.
pub struct WireTarget {
    pub url: String,
    connections: Arc<AtomicUsize>,
    heads: Heads,
    messages: Messages,
    serving: JoinHandle<()>,
}

impl WireTarget {
    /// Serves each connection by `serve`; the second argument counts connections from 0.
    pub async fn start<F>(serve: impl Fn(Wire<TcpStream>, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), serve)
    }

    /// As [`Self::start`], on a socket of the test.
    pub fn start_on<F>(listener: TcpListener, serve: impl Fn(Wire<TcpStream>, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (connections, heads) = (Arc::new(AtomicUsize::new(0)), Heads::default());
        let messages = Messages::default();
        let (accepted, read, whole) = (Arc::clone(&connections), Arc::clone(&heads), Arc::clone(&messages));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let turn = accepted.fetch_add(1, Ordering::SeqCst);
                let wire = Wire { heads: Arc::clone(&read), messages: Arc::clone(&whole), ..Wire::new(stream) };
                tokio::spawn(serve(wire, turn));
            }
        });
        Self { url, connections, heads, messages, serving }
    }

    /// Answers the first request with the first answer, and so on, the last one from then on, on connections that stay
    /// open.
    pub async fn answering(answers: &[&[u8]]) -> Self {
        let answers: Arc<[Vec<u8>]> = answers.iter().map(|answer| answer.to_vec()).collect();
        let turn = Arc::new(AtomicUsize::new(0));
        Self::start(move |mut wire, _| {
            let (answers, turn) = (Arc::clone(&answers), Arc::clone(&turn));
            async move {
                while wire.read_request().await.is_some() {
                    let turn = turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
                    wire.write(&answers[turn]).await;
                }
            }
        })
        .await
    }

    /// Gives every request the same answer and closes.
    pub async fn answering_once(answer: &[u8]) -> Self {
        let answer: Arc<[u8]> = answer.into();
        Self::start(move |mut wire, _| {
            let answer = Arc::clone(&answer);
            async move {
                if wire.read_request().await.is_some() {
                    wire.write(&answer).await;
                }
            }
        })
        .await
    }

    /// A world whose routes lead here: `{target}` stands for this target.
    pub async fn world(&self, routes: &str) -> World {
        World::with_routes(&routes.replace("{target}", &self.url)).await
    }

    /// How many connections arrived.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many requests arrived, counted by their header sections.
    pub fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    /// The header sections that arrived.
    pub fn received(&self) -> Vec<Message> {
        self.heads.lock().unwrap().iter().cloned().map(Message::without_body).collect()
    }

    /// The requests that have been read to the end of their bodies, or to where these broke off.
    pub fn bodies(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// The only request that arrived.
    pub fn only_request(&self) -> Message {
        let mut received = self.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received.remove(0)
    }
}

impl Drop for WireTarget {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// One end of a connection, with what has been read and not yet used.
pub struct Wire<S> {
    pub stream: S,
    pending: Vec<u8>,
    heads: Heads,
    messages: Messages,
}

/// The header sections read so far.
type Heads = Arc<Mutex<Vec<Vec<u8>>>>;

/// The messages read so far.
type Messages = Arc<Mutex<Vec<Message>>>;

/// A message as it was on the wire.
#[derive(Debug, Clone)]
pub struct Message {
    /// Start line and header section, with the empty line.
    pub head: Vec<u8>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The trailer section after the last chunk.
    pub trailers: Vec<u8>,
    /// How the body ended.
    pub end: End,
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The message has no body.
    Bodiless,
    /// As its `Content-Length` announced.
    Length,
    /// With the last chunk.
    Chunked,
    /// With the connection, as a body without length and chunks does.
    Closed,
    /// Before it was complete.
    Broken,
}

impl Wire<TcpStream> {
    /// Connects to `HOST:PORT`.
    pub async fn connect(address: &str) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, pending: Vec::new(), heads: Arc::default(), messages: Arc::default() }
    }

    /// Writes; a peer that has gone is no reason to fail, its answer tells.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.write(request).await;
        self.read_response().await
    }

    /// The next answer.
    pub async fn read_response(&mut self) -> Message {
        let head = self.read_head().await.expect("an answer");
        self.read_body(head, false).await
    }

    /// The next answer, if there is one; it may be broken.
    pub async fn read_whole_response(&mut self) -> Option<Message> {
        let head = self.read_head().await?;
        Some(self.read_body(head, false).await)
    }

    /// The next header section, whatever body it announces: answers to `HEAD`, and bodies read step by step.
    pub async fn read_head(&mut self) -> Option<Vec<u8>> {
        let head = self.read_through(b"\r\n\r\n").await;
        self.heads.lock().unwrap().extend(head.clone());
        head
    }

    /// The next request, or nothing once the peer is gone.
    pub async fn read_request(&mut self) -> Option<Message> {
        let head = self.read_head().await?;
        let message = self.read_body(head, true).await;
        self.messages.lock().unwrap().push(message.clone());
        Some(message)
    }

    /// Reads up to and including `end`; nothing if the peer closes or is silent before.
    pub async fn read_through(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.pending.windows(end.len()).position(|window| window == end) {
                return Some(self.pending.drain(..at + end.len()).collect());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Whether the peer closes the connection without another byte.
    pub async fn is_closed(&mut self) -> bool {
        self.pending.is_empty() && !self.fill().await
    }

    /// The body that follows this header section.
    pub async fn read_body(&mut self, head: Vec<u8>, request: bool) -> Message {
        let mut message = Message::without_body(head);
        if message.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            message.end = if self.read_chunks(&mut message).await.is_some() { End::Chunked } else { End::Broken };
        } else if let Ok(length) = message.header("content-length").parse() {
            message.end = if self.read_length(&mut message, length).await { End::Length } else { End::Broken };
        } else if !request && !matches!(message.status(), 100..200 | 204 | 304) {
            while self.fill().await {}
            message.body = std::mem::take(&mut self.pending);
            message.end = End::Closed;
        }
        message
    }

    async fn read_length(&mut self, message: &mut Message, length: usize) -> bool {
        if matches!(message.status(), 204 | 304) {
            return true;
        }
        while self.pending.len() < length {
            if !self.fill().await {
                message.body = std::mem::take(&mut self.pending);
                return false;
            }
        }
        message.body = self.pending.drain(..length).collect();
        true
    }

    async fn read_chunks(&mut self, message: &mut Message) -> Option<()> {
        loop {
            let line = self.read_through(b"\r\n").await?;
            let digits = String::from_utf8(line).unwrap();
            let size = usize::from_str_radix(digits.trim_end().split(';').next().unwrap_or_default(), 16).unwrap();
            if size == 0 {
                break;
            }
            while self.pending.len() < size + 2 {
                if !self.fill().await {
                    return None;
                }
            }
            message.body.extend(self.pending.drain(..size));
            self.pending.drain(..2);
        }
        loop {
            let line = self.read_through(b"\r\n").await?;
            if line == b"\r\n" {
                return Some(());
            }
            message.trailers.extend(line);
        }
    }

    /// Reads some more; `false` at the end of the connection, and after a silence that no test expects.
    async fn fill(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.pending)).await;
        matches!(read, Ok(Ok(1..)))
    }
}

impl Message {
    fn without_body(head: Vec<u8>) -> Self {
        Self { head, body: Vec::new(), trailers: Vec::new(), end: End::Bodiless }
    }

    /// The first line.
    pub fn start_line(&self) -> String {
        String::from_utf8_lossy(&self.head).lines().next().unwrap_or_default().to_owned()
    }

    /// The status of an answer; 0 for a request.
    pub fn status(&self) -> u16 {
        let line = self.start_line();
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The values of a header, bytes as they came, in their order, without the blanks around them.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        self.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_vec()).collect()
    }

    /// The only value of a header, or nothing.
    pub fn header(&self, name: &str) -> String {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name} occurs {} times", values.len());
        values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    /// All header names, in lower case.
    pub fn names(&self) -> Vec<String> {
        self.fields().map(|(name, _)| name.to_ascii_lowercase()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The `code` of a problem body.
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    fn fields(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at(colon);
            Some((String::from_utf8_lossy(name).into_owned(), value[1..].trim_ascii()))
        })
    }
}

/// A request with a token and further header lines, each ended by CRLF.
pub fn request(method: &str, target: &str, token: &str, lines: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: proxy.example\r\nAuthorization: Bearer {token}\r\n{lines}\r\n")
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
