//! HTTP/1.1 messages on a bare stream, for both ends: as much of RFC 9112 as the parties here send.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A message: its header section in lower case but for the first line and values as they came, and its body.
#[derive(Debug)]
pub struct Message {
    pub head: String,
    pub body: Vec<u8>,
}

impl Message {
    /// The value of a header field.
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Reads messages from a stream, one after the other.
#[derive(Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// Whether nothing of a next message has been read.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next message. A body is there where a length or chunks say so, or for an answer until the stream ends
    /// (which nobody here does).
    pub async fn message(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
        let head = self.head(stream).await?;
        let body = if field(&head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            self.chunks(stream).await?
        } else {
            let length = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
            self.exactly(stream, length).await?
        };
        Ok(Message { head, body })
    }

    async fn head(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
        let mut seen = 0_usize;
        loop {
            let from = seen.saturating_sub(3);
            if let Some(end) = self.buffer[from..].windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..from + end + 4).collect();
                let head = String::from_utf8(head).map_err(|_| io::ErrorKind::InvalidData)?;
                return Ok(head);
            }
            seen = self.buffer.len();
            self.more(stream).await?;
        }
    }

    async fn chunks(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line(stream).await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
            body.extend(self.exactly(stream, size).await?);
            self.exactly(stream, 2).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// A line, its end included.
    async fn line(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.more(stream).await?;
        }
    }

    /// So many bytes.
    pub async fn exactly(&mut self, stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more(stream).await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
        self.buffer.reserve(16 * 1024);
        if stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
