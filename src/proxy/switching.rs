//! Connections to targets that are asked to switch protocols.
//!
//! Pingora passes the end of a request through a pipe to the half that talks to the target. Where that half reads a
//! `101` before it has emptied the pipe, it takes the end of the request for the caller's farewell, and ends the tunnel.
//! On these connections a target is therefore not listened to until its request has been sent to the end.
//!
//! Nor does that half listen while it waits for the target to take what it sends. Where both sides send much, the target
//! waits just so, and neither goes on. What comes while a write waits is therefore taken in here, within bounds.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::BytesMut;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::ext::set_tcp_keepalive;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whether the target of one request is listened to. It is, until [`Ear::close`].
#[derive(Debug, Clone, Default)]
pub(super) struct Ear(Arc<AtomicU8>);

/// Connects so that the ear decides what is read.
#[derive(Debug)]
pub(super) struct Connect(pub(super) Ear);

/// A TCP connection with an ear.
#[derive(Debug)]
struct Socket {
    tcp: TcpStream,
    ear: Ear,
    /// Who wanted to read while the ear was closed.
    reader: Option<Waker>,
    /// What came while a write waited.
    ahead: BytesMut,
    /// How reading ahead ended, where it has: with the end of the stream, or an error.
    ended: Option<io::Result<()>>,
}

impl Ear {
    /// Stops listening until a request has been written: its header section and its end, each followed by a flush.
    pub(super) fn close(&self) {
        self.0.store(FLUSHES_OF_A_REQUEST, Ordering::Relaxed);
    }

    /// Ends the connection for the one who reads from it, once that is polled again.
    pub(super) fn hang_up(&self) {
        self.0.store(HUNG_UP, Ordering::Relaxed);
    }

    fn has_hung_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == HUNG_UP
    }

    fn open(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Notes a flush; whether it was the one that ended the request. Connection and request belong to one task, so that
    /// nobody else counts at the same time.
    fn count_flush(&self) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if left == HUNG_UP {
            return false;
        }
        self.0.store(left.saturating_sub(1), Ordering::Relaxed);
        left == 1
    }
}

#[async_trait]
impl L4Connect for Connect {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Err(Error::explain(ErrorType::ConnectError, "not an internet address"));
        };
        // An earlier attempt of the same request may have ended half-written.
        self.0.open();
        let tcp = TcpStream::connect(address).await.map_err(|cause| unreachable_because(&cause))?;
        let socket = Socket { tcp, ear: self.0.clone(), reader: None, ahead: BytesMut::new(), ended: None };
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors are boxed")]
fn unreachable_because(cause: &io::Error) -> Box<Error> {
    let kind = match cause.kind() {
        io::ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
        io::ErrorKind::TimedOut => ErrorType::ConnectTimedout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => ErrorType::ConnectNoRoute,
        _ => ErrorType::ConnectError,
    };
    Error::explain(kind, cause.to_string())
}

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            VirtualSockOpt::KeepAlive(keepalive) => {
                set_tcp_keepalive(&self.tcp, &keepalive).map_err(|error| io::Error::other(error.to_string()))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Socket {
    /// Takes in what has come. Whoever waits to write is woken when more comes.
    fn read_ahead(&mut self, cx: &mut Context<'_>) {
        let mut piece = [0; 16 * 1024];
        while self.ended.is_none() && self.ahead.len() < MOST_AHEAD {
            let mut piece = ReadBuf::new(&mut piece);
            match Pin::new(&mut self.tcp).poll_read(cx, &mut piece) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) if piece.filled().is_empty() => self.ended = Some(Ok(())),
                Poll::Ready(Ok(())) => self.ahead.extend_from_slice(piece.filled()),
                Poll::Ready(Err(error)) => self.ended = Some(Err(error)),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ear.has_hung_up() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.ear.is_closed() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead.split_to(length));
            return Poll::Ready(Ok(()));
        }
        match self.ended.take() {
            Some(ended) => Poll::Ready(ended),
            None => Pin::new(&mut self.tcp).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        if written.is_pending() && !self.ear.is_closed() {
            self.read_ahead(cx);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tcp).poll_flush(cx);
        if flushed.is_ready() && self.ear.count_flush() {
            self.reader.take().into_iter().for_each(Waker::wake);
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// How much of what a target sends is taken in while it does not take what is sent to it, in bytes.
const MOST_AHEAD: usize = 8 * 1024 * 1024;
/// Pingora flushes once behind the header section, and once where it has taken the end of the request out of the pipe.
const FLUSHES_OF_A_REQUEST: u8 = 2;
/// In place of a number of flushes: nothing is heard any more.
const HUNG_UP: u8 = u8::MAX;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn both_sides_may_send_much_before_they_read() {
        const OURS: usize = 16 << 20;
        const THEIRS: usize = 7 << 20;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = SocketAddr::Inet(listener.local_addr().unwrap());
        let mut stream = Connect(Ear::default()).connect(&address).await.unwrap();
        let (mut target, _) = listener.accept().await.unwrap();
        let target = tokio::spawn(async move {
            target.write_all(&vec![b'x'; THEIRS]).await.unwrap();
            target.shutdown().await.unwrap();
            let mut received = Vec::new();
            target.read_to_end(&mut received).await.unwrap();
            received.len()
        });
        let sent = async {
            stream.write_all(&vec![b'y'; OURS]).await.unwrap();
            stream.flush().await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.unwrap();
            assert!(received == vec![b'x'; THEIRS]);
        };
        timeout(Duration::from_mins(1), sent).await.expect("both sides wait for each other");
        drop(stream);
        assert_eq!(target.await.unwrap(), OURS);
    }

    #[tokio::test]
    async fn a_target_is_heard_once_its_request_has_been_written() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ear = Ear::default();
        let address = SocketAddr::Inet(listener.local_addr().unwrap());
        let mut stream = Connect(ear.clone()).connect(&address).await.unwrap();
        let (mut target, _) = listener.accept().await.unwrap();
        let mut heard = [0; 5];
        target.write_all(b"hello").await.unwrap();
        stream.read_exact(&mut heard).await.unwrap();
        ear.close();
        target.write_all(b"early").await.unwrap();
        for _ in 0..FLUSHES_OF_A_REQUEST {
            assert!(timeout(Duration::from_millis(20), stream.read_exact(&mut heard)).await.is_err());
            stream.write_all(b"request").await.unwrap();
            stream.flush().await.unwrap();
        }
        stream.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"early");
    }
}
