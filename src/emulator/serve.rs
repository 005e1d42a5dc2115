//! Runs an axum router on a socket bound beforehand, and lets a handler break its own connection.

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
    Router,
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A running HTTP server. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Server {
    url: String,
    stop: watch::Sender<bool>,
    listening: watch::Receiver<()>,
}

impl Server {
    /// Serves `router` on the current tokio runtime.
    pub(super) fn start(listener: std::net::TcpListener, router: Router) -> io::Result<Self> {
        let url = local_url(&listener)?;
        listener.set_nonblocking(true)?;
        let (guard, listening) = watch::channel(());
        let doorway = Doorway { listener: TcpListener::from_std(listener)?, _guard: guard };
        let (stop, mut stopped) = watch::channel(false);
        let service = router.into_make_service_with_connect_info::<Connection>();
        tokio::spawn(async move {
            // An error means that the sender is gone, which asks for the same.
            let signal = async move { drop(stopped.wait_for(|stop| *stop).await) };
            axum::serve(doorway, service).with_graceful_shutdown(signal).await
        });
        Ok(Self { url, stop, listening })
    }

    /// `http://address:port`, without a trailing slash.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Asks the server to stop. Answers under way are finished.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns once the listening socket is closed.
    pub(super) async fn closed(&self) {
        let mut listening = self.listening.clone();
        while listening.changed().await.is_ok() {}
    }
}

/// The address at which this machine reaches `listener`.
pub(super) fn local_url(listener: &std::net::TcpListener) -> io::Result<String> {
    let address = listener.local_addr()?;
    if address.ip().is_unspecified() {
        return Ok(format!("http://127.0.0.1:{}", address.port()));
    }
    Ok(format!("http://{address}"))
}

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

/// The listening socket. `_guard` tells [`Server::closed`] when it is dropped.
struct Doorway {
    listener: TcpListener,
    _guard: watch::Sender<()>,
}

impl Listener for Doorway {
    type Io = Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, address)) = self.listener.accept().await {
                // Small answers should not wait for more data; without the option they are only slower.
                stream.set_nodelay(true).ok();
                return (Stream { stream, connection: Connection::default() }, address);
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// One accepted connection, whose writes fail after [`Connection::sever`].
struct Stream {
    stream: TcpStream,
    connection: Connection,
}

impl Stream {
    fn writable(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        let this = self.get_mut();
        this.connection.check()?;
        Ok(Pin::new(&mut this.stream))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writable()?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writable()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// How long to wait after a failed accept: it fails when file descriptors run out, and at once again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
