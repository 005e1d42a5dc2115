//! A stream whose [`Connection`] is told of what arrives: the plain bytes, below TLS where there is any.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use crate::connection::Connection;

/// A stream and what watches it.
#[derive(Debug)]
pub(super) struct Supervised<S> {
    stream: S,
    connection: Arc<Connection>,
    /// Where HTTP/2 is spoken.
    frames: Option<Frames>,
}

impl<S: IO> Supervised<S> {
    pub(super) fn http1(stream: S, connection: Arc<Connection>) -> Self {
        Self { stream, connection, frames: None }
    }

    pub(super) fn http2(stream: S, connection: Arc<Connection>) -> Self {
        connection.multiplex();
        Self { stream, connection, frames: Some(Frames::default()) }
    }

    /// Whether what arrived may be looked at.
    fn note(&mut self, arrived: &[u8]) -> bool {
        match &mut self.frames {
            _ if arrived.is_empty() => true,
            None => self.connection.section_begun(),
            Some(frames) => frames.note(arrived, &self.connection),
        }
    }
}

impl<S: IO> AsyncRead for Supervised<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let arrived = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(if self.note(arrived) { Ok(()) } else { Err(io::ErrorKind::ConnectionAborted.into()) })
    }
}

impl<S: IO> AsyncWrite for Supervised<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[async_trait]
impl<S: IO> Shutdown for Supervised<S> {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl<S: IO> UniqueID for Supervised<S> {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl<S: IO> Ssl for Supervised<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    /// Decided before: by ALPN with TLS, by the preface without.
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        Some(if self.frames.is_some() { ALPN::H2 } else { ALPN::H1 })
    }
}

impl<S: IO> Peek for Supervised<S> {}

impl<S: IO> GetTimingDigest for Supervised<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.stream.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.stream.get_write_pending_time()
    }
}

impl<S: IO> GetProxyDigest for Supervised<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl<S: IO> GetSocketDigest for Supervised<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}
