//! What a new connection meets: PROXY protocol, TLS, and the choice between HTTP/1.1 and HTTP/2, each within its time.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use pingora::apps::ServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::{ALPN, IO, Ssl};
use pingora::server::ShutdownWatch;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::complaints::Refusal;
use super::listener::Listener;
use super::proxies::Proxies;
use super::proxy_protocol::{self, Reading};
use super::room::{PlaceOfAddress, Room};
use super::socket::CallerSocket;
use super::supervised::Supervised;
use super::tls::Tls;
use crate::connection::{Connection, Limits};
use crate::network::Networks;
use crate::proxy::{AlarmClock, Punctual};

/// What new connections of a listener meet.
pub(super) struct Entrance {
    pub(super) proxies: Arc<Proxies>,
    pub(super) limits: Arc<Limits>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) h2c: bool,
    pub(super) proxy_protocol: Option<Networks>,
}

/// One connection on its way in.
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    /// Who connected.
    pub(super) peer: SocketAddr,
    /// The number of the worker that serves it.
    pub(super) worker: usize,
    pub(super) connection: Arc<Connection>,
    pub(super) listener: Arc<Listener>,
    pub(super) room: Arc<Room>,
}

/// Why a connection does not get in, with details for the log.
type Refused = (Refusal, String);

impl Entrance {
    /// Serves a connection until it ends.
    pub(super) async fn serve(&self, arrival: Arrival) {
        let listener = Arc::clone(&arrival.listener);
        let peer = arrival.peer.ip();
        let connection = Arc::clone(&arrival.connection);
        let admitted = self.admit(arrival).await;
        if connection.has_flooded() {
            listener.metrics.ended("resets");
        }
        if let Err((refusal, detail)) = admitted {
            listener.complaints.refused(refusal, Some(peer), || detail);
        }
    }

    async fn admit(&self, mut arrival: Arrival) -> Result<(), Refused> {
        let deadline = Instant::now() + self.limits.header_timeout;
        let mut read = BytesMut::new();
        let mut caller = self.caller(&mut arrival, &mut read, deadline).await?;
        // An IPv6 socket sees IPv4 callers as ::ffff:192.0.2.1.
        caller.set_ip(caller.ip().to_canonical());
        let _place = self.place(&arrival.room, caller)?;
        arrival.connection.comes_from(caller);
        let (connection, proxy) = (&arrival.connection, self.proxies.of(arrival.worker));
        let mut shutdown = arrival.listener.shutdown.subscribe();
        if *shutdown.borrow() {
            // It waited to be accepted while the listener left, and has not been told yet.
            shutdown.mark_changed();
        }
        if let Some(tls) = &self.tls {
            let socket = CallerSocket::new(arrival.stream, read.freeze(), caller, connection);
            let stream = timeout_at(deadline, tls.handshake(socket)).await;
            let stream = stream.map_err(|_| (Refusal::TlsTimeout, String::new()))?;
            let stream = stream.map_err(|error| (Refusal::Tls, error.to_string()))?;
            connection.handshake_done();
            let is_http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
            speak(proxy, stream, is_http2, connection, shutdown).await;
        } else {
            let is_http2 = self.h2c && begins_http2(&mut arrival.stream, &mut read).await;
            let socket = CallerSocket::new(arrival.stream, read.freeze(), caller, connection);
            speak(proxy, socket, is_http2, connection, shutdown).await;
        }
        Ok(())
    }

    /// The address that requests of this connection come from.
    async fn caller(
        &self,
        arrival: &mut Arrival,
        read: &mut BytesMut,
        deadline: Instant,
    ) -> Result<SocketAddr, Refused> {
        let Some(trusted) = &self.proxy_protocol else { return Ok(arrival.peer) };
        if !trusted.contains(arrival.peer.ip()) {
            return Err((Refusal::ProxySource, String::new()));
        }
        let announced = timeout_at(deadline, announced(&mut arrival.stream, read)).await;
        let announced = announced.map_err(|_| (Refusal::ProxyHeader, "too slow".to_owned()))?;
        let announced = announced.map_err(|error| (Refusal::ProxyHeader, error.to_string()))?;
        Ok(announced.unwrap_or(arrival.peer))
    }

    fn place(&self, room: &Arc<Room>, caller: SocketAddr) -> Result<Option<PlaceOfAddress>, Refused> {
        let Some(most) = self.limits.connections_per_address else { return Ok(None) };
        let place = room.take_of(caller.ip(), most);
        place.map(Some).ok_or_else(|| (Refusal::ConnectionsOfAddress, format!("of {}", caller.ip())))
    }
}

async fn speak<S: IO + 'static>(
    proxy: &Arc<Punctual>,
    stream: S,
    is_http2: bool,
    connection: &Arc<Connection>,
    shutdown: ShutdownWatch,
) {
    if is_http2 {
        let stream = Box::new(Supervised::http2(stream, Arc::clone(connection)));
        proxy.process_new(stream, &shutdown).await;
    } else {
        let session = ServerSession::new_http1(Box::new(Supervised::http1(stream, Arc::clone(connection))));
        speak_http1(proxy, session, connection).await;
    }
}

/// Pingora is not told that we leave: it would close after the next answer without a word of it in that answer, which
/// our own phases add.
async fn speak_http1(proxy: &Arc<Punctual>, mut session: ServerSession, connection: &Connection) {
    static STAYING: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));
    let staying = STAYING.subscribe();
    // Without a time of Pingora's: the connection has its own.
    session.set_keepalive(Some(0));
    let mut clock = AlarmClock::default();
    while let Some(reused) = proxy.serve(session, &staying, &mut clock).await {
        connection.wait();
        let (stream, settings) = reused.consume();
        session = ServerSession::new_http1(stream);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        }
    }
}

/// Reads a PROXY header; what was read behind it stays in `read`.
async fn announced(stream: &mut TcpStream, read: &mut BytesMut) -> io::Result<Option<SocketAddr>> {
    loop {
        match proxy_protocol::read(read) {
            Reading::Header { caller, length } => {
                drop(read.split_to(length));
                return Ok(caller);
            }
            Reading::Malformed => return Err(io::Error::other("no PROXY header")),
            Reading::Incomplete if read.len() >= proxy_protocol::LONGEST => return Err(io::Error::other("too long")),
            Reading::Incomplete => {}
        }
        if stream.read_buf(read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Whether the caller begins as HTTP/2 does; what was read stays in `read`. The sweep bounds the time, as for the
/// header section that this is the beginning of.
async fn begins_http2(stream: &mut TcpStream, read: &mut BytesMut) -> bool {
    loop {
        let compared = read.len().min(PREFACE.len());
        if read.get(..compared) != PREFACE.get(..compared) {
            return false;
        }
        if compared == PREFACE.len() {
            return true;
        }
        if !matches!(stream.read_buf(read).await, Ok(1..)) {
            return false;
        }
    }
}

impl std::fmt::Debug for Entrance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entrance").field("limits", &self.limits).field("tls", &self.tls).finish_non_exhaustive()
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
