//! A caller's socket as Pingora wants it: writes gathered, what was read ahead given back, and the address that the
//! caller is known by.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use pingora::http::ResponseHeader;
use pingora::protocols::l4::socket::SocketAddr as PingoraAddress;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::Connection;

/// The socket of one connection.
pub(super) struct CallerSocket {
    io: BufWriter<TcpStream>,
    /// What was read in search of a PROXY header or an HTTP/2 preface, and belongs to whoever reads next.
    read_ahead: Bytes,
    addresses: Arc<SocketDigest>,
    /// Pingora hands this on with each request: it carries our [`Connection`].
    carrier: Option<Arc<ProxyDigest>>,
    opened: SystemTime,
}

impl CallerSocket {
    /// `caller` is the address that requests are taken to come from.
    pub(super) fn new(stream: TcpStream, read_ahead: Bytes, caller: SocketAddr, connection: &Arc<Connection>) -> Self {
        let addresses = SocketDigest::from_raw_fd(stream.as_raw_fd());
        // An error means that it is set, which it cannot be yet.
        let _ = addresses.peer_addr.set(Some(PingoraAddress::Inet(caller)));
        let io = BufWriter::with_capacity(GATHERED, stream);
        let carrier = carrier(connection);
        Self { io, read_ahead, addresses: Arc::new(addresses), carrier, opened: SystemTime::now() }
    }
}

/// Pingora's record of a CONNECT proxy is the one place in what it knows of a connection that is open to others.
fn carrier(connection: &Arc<Connection>) -> Option<Arc<ProxyDigest>> {
    let response = ResponseHeader::build(200, Some(0)).ok()?;
    Some(Arc::new(ProxyDigest::new(Box::new(response), Some(Box::new(Arc::clone(connection))))))
}

impl AsyncRead for CallerSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_ahead.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let length = self.read_ahead.len().min(buffer.remaining());
        buffer.put_slice(self.read_ahead.get(..length).unwrap_or_default());
        self.read_ahead.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CallerSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for CallerSocket {
    async fn shutdown(&mut self) {
        // A caller that has left already cannot be told.
        let _ = AsyncWriteExt::shutdown(&mut self.io).await;
    }
}

impl UniqueID for CallerSocket {
    fn id(&self) -> UniqueIDType {
        self.io.get_ref().as_raw_fd()
    }
}

impl Ssl for CallerSocket {}

impl Peek for CallerSocket {}

impl GetTimingDigest for CallerSocket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        vec![Some(TimingDigest { established_ts: self.opened, ..TimingDigest::default() })]
    }
}

impl GetProxyDigest for CallerSocket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.carrier.clone()
    }
}

impl GetSocketDigest for CallerSocket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(Arc::clone(&self.addresses))
    }
}

impl fmt::Debug for CallerSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerSocket").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Small writes are gathered up to this, a header section with its body for instance, in bytes.
const GATHERED: usize = 1460;
