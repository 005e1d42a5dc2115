//! HTTP/2 frame by frame: a caller that sends what no client library would, and reads no more of the answer than tests
//! ask about.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::tls::{Authority, TlsProxy};

/// A connection of an HTTP/2 caller.
pub struct Frames {
    stream: TlsStream<TcpStream>,
    next_stream: u32,
}

/// How a request was answered.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status; 0 if there was none.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Whether stream or connection ended with an error, before or after the answer.
    pub broken: bool,
}

impl Answer {
    /// The `code` of a problem body.
    pub fn code(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A header field, as it is put on the wire.
pub type Field<'a> = (&'a [u8], &'a [u8]);

impl Frames {
    pub async fn connect(authority: &Authority, proxy: &TlsProxy) -> Self {
        let mut stream = authority.connect(proxy, b"h2").await;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let mut frames = Self { stream, next_stream: 1 };
        frames.frame(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// Sends a header section; returns the stream.
    pub async fn headers(&mut self, fields: &[Field<'_>], end: bool) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let block: Vec<u8> = fields.iter().flat_map(|field| literal(*field)).collect();
        self.frame(HEADERS, END_HEADERS | u8::from(end), stream, &block).await;
        stream
    }

    /// Sends trailers.
    pub async fn trailers(&mut self, stream: u32, fields: &[Field<'_>]) {
        let block: Vec<u8> = fields.iter().flat_map(|field| literal(*field)).collect();
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &block).await;
    }

    /// Sends some of a body.
    pub async fn data(&mut self, stream: u32, bytes: &[u8], end: bool) {
        self.frame(DATA, u8::from(end), stream, bytes).await;
    }

    /// Reads until the stream has ended, or the connection has.
    pub async fn answer(&mut self, stream: u32) -> Answer {
        let mut answer = Answer::default();
        loop {
            let Some((kind, flags, of, payload)) = self.read().await else {
                answer.broken = true;
                return answer;
            };
            match kind {
                SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]).await,
                GOAWAY => answer.broken = true,
                RST_STREAM if of == stream => {
                    // Without an error it only says that the rest of the body is not wanted.
                    answer.broken = payload != [0; 4];
                    return answer;
                }
                HEADERS if of == stream && answer.status == 0 => answer.status = status(&payload),
                DATA if of == stream => answer.body.extend(&payload),
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && of == stream && flags & END_STREAM != 0 {
                return answer;
            }
        }
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        // A peer that refuses early may be gone already; its answer tells.
        let _ = self.stream.write_all(&[&head, payload].concat()).await;
        let _ = self.stream.flush().await;
    }

    async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }
}

/// A field without an index and without Huffman coding (RFC 7541 section 6.2.2).
fn literal((name, value): Field<'_>) -> Vec<u8> {
    [&[0][..], &string(name), &string(value)].concat()
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    if text.len() < 127 {
        written.push(u8::try_from(text.len()).unwrap());
    } else {
        written.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            written.push(u8::try_from(rest % 128 + 128).unwrap());
            rest /= 128;
        }
        written.push(u8::try_from(rest).unwrap());
    }
    written.extend(text);
    written
}

/// The status at the beginning of a header block: from the static table, or three digits in Huffman coding.
fn status(block: &[u8]) -> u16 {
    match block {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        [0x48, length, text @ ..] if length & 0x80 != 0 => huffman_digits(&text[..usize::from(length & 0x7f)]),
        [0x48, length, text @ ..] => String::from_utf8_lossy(&text[..usize::from(*length)]).parse().unwrap(),
        _ => panic!("no status in {block:?}"),
    }
}

/// RFC 7541 appendix B: `0` to `2` have five bits, the other digits six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let mut bits: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let mut number = 0;
    for _ in 0..3 {
        let value = |bits: &[bool]| bits.iter().fold(0u16, |value, bit| value * 2 + u16::from(*bit));
        let (digit, length) = match value(&bits[..5]) {
            digit @ 0..=2 => (digit, 5),
            _ => (value(&bits[..6]) - 25 + 3, 6),
        };
        bits.drain(..length);
        number = number * 10 + digit;
    }
    number
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
