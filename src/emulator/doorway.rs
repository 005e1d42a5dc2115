//! The listening socket of a server: accepts connections, with or without TLS, whose handlers can break them.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// The connection a request arrived on.
#[derive(Debug, Clone, Default)]
pub(super) struct Connection {
    severed: Arc<AtomicBool>,
}

impl Connection {
    /// Makes the next write fail, so that the connection closes without an answer.
    pub(super) fn sever(&self) {
        self.severed.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.severed.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl Connected<IncomingStream<'_, Doorway>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Doorway>) -> Self {
        stream.io().connection.clone()
    }
}

/// The listening socket. `_guard` tells when it is dropped.
pub(super) struct Doorway {
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    /// Handshakes under way: a client that is slow with its own holds up nobody else.
    handshakes: JoinSet<Option<(Stream, SocketAddr)>>,
    _guard: watch::Sender<()>,
}

impl Doorway {
    /// Accepts what arrives at `listener`, with TLS if there is an acceptor.
    pub(super) fn new(listener: TcpListener, acceptor: Option<TlsAcceptor>, guard: watch::Sender<()>) -> Self {
        Self { listener, acceptor, handshakes: JoinSet::new(), _guard: guard }
    }

    /// A connection that is ready, or nothing while its handshake is under way.
    async fn admit(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(Stream, SocketAddr)> {
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return None;
        };
        // Small answers should not wait for more data; without the option they are only slower.
        stream.set_nodelay(true).ok();
        let Some(acceptor) = &self.acceptor else { return Some((Stream::new(Transport::Plain(stream)), address)) };
        let handshake = tokio::time::timeout(MAX_HANDSHAKE, acceptor.accept(stream));
        self.handshakes.spawn(async move {
            let stream = handshake.await.ok()?.ok()?;
            Some((Stream::new(Transport::Tls(Box::new(stream))), address))
        });
        None
    }
}

impl Listener for Doorway {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let ready = tokio::select! {
                accepted = self.listener.accept() => self.admit(accepted).await,
                Some(finished) = self.handshakes.join_next() => finished.ok().flatten(),
            };
            if let Some(ready) = ready {
                return ready;
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// One accepted connection, whose writes fail after [`Connection::sever`].
pub(super) struct Stream {
    transport: Transport,
    connection: Connection,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn new(transport: Transport) -> Self {
        Self { transport, connection: Connection::default() }
    }

    fn writable(self: Pin<&mut Self>) -> io::Result<Pin<&mut Transport>> {
        let this = self.get_mut();
        this.connection.check()?;
        Ok(Pin::new(&mut this.transport))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.writable()?.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.writable()?.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// How long to wait after a failed accept: it fails when file descriptors run out, and at once again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a handshake may take.
const MAX_HANDSHAKE: Duration = Duration::from_secs(10);
