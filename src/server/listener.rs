//! Addresses that callers connect to. They are bound before anything starts, so that one that is taken is an error
//! and not a process that serves nothing.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::complaints::Complaints;
use super::entrance::Entrance;
use super::hand_over::Inherited;
use super::tls::{TlsFiles, UnusableFile};
use crate::connection::Farewell;
use crate::network::Networks;
use crate::telemetry::ListenerMetrics;

/// One address that callers connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// The address.
    pub address: SocketAddr,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsFiles>,
    /// Whether HTTP/2 with prior knowledge is spoken there as well, without TLS.
    pub h2c: bool,
    /// Who has to say, by the PROXY protocol, where its connections come from; nobody else connects then.
    pub proxy_protocol: Option<Networks>,
}

/// Why a listener cannot serve.
#[derive(Debug)]
pub enum StartError {
    /// The address cannot be bound.
    Bind(SocketAddr, io::Error),
    /// A file of its TLS settings cannot be used.
    Tls(UnusableFile),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, cause) => write!(f, "failed to listen on {address}: {cause}"),
            Self::Tls(unusable) => unusable.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

/// A listener that serves.
#[derive(Debug)]
pub(super) struct Listener {
    /// The address as it was asked for, perhaps with port 0.
    pub(super) configured: SocketAddr,
    pub(super) address: SocketAddr,
    /// Nothing once it has left.
    socket: Mutex<Option<Arc<TcpListener>>>,
    /// What new connections meet.
    pub(super) entrance: ArcSwap<Entrance>,
    pub(super) farewell: Arc<Farewell>,
    pub(super) state: watch::Sender<State>,
    /// What Pingora is told.
    pub(super) shutdown: watch::Sender<bool>,
    pub(super) metrics: Arc<ListenerMetrics>,
    pub(super) complaints: Complaints,
}

/// What a listener is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It takes connections.
    Accepting,
    /// It takes those that are waiting already, and then no more.
    Closing,
    /// It takes no more: another process does.
    HandedOver,
}

impl Listener {
    pub(super) fn new(
        configured: SocketAddr,
        bound: Bound,
        entrance: Arc<Entrance>,
        metrics: Arc<ListenerMetrics>,
    ) -> Self {
        Self {
            configured,
            address: bound.address,
            socket: Mutex::new(Some(bound.socket)),
            entrance: ArcSwap::new(entrance),
            farewell: Arc::default(),
            state: watch::Sender::new(State::Accepting),
            shutdown: watch::Sender::new(false),
            complaints: Complaints::new(Arc::clone(&metrics)),
            metrics,
        }
    }

    /// The socket, while there is one.
    pub(super) fn socket(&self) -> Option<Arc<TcpListener>> {
        self.socket.lock().clone()
    }

    /// Stops taking connections, and says farewell to those that are open.
    pub(super) fn leave(&self, how: State) {
        self.farewell.begin();
        self.socket.lock().take();
        self.state.send_replace(how);
        self.shutdown.send_replace(true);
    }
}

/// An address that is bound.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) address: SocketAddr,
    socket: Arc<TcpListener>,
}

impl Bound {
    /// Binds `address`, or takes it over from the process before. Needs a tokio runtime.
    pub(super) fn bind(address: SocketAddr, inherited: &mut Inherited) -> Result<Self, StartError> {
        let socket = match inherited.take(address) {
            Some(socket) => adopt(socket),
            None => listen(address),
        };
        socket.and_then(Self::of).map_err(|cause| StartError::Bind(address, cause))
    }

    fn of(socket: TcpListener) -> io::Result<Self> {
        // Connections take these over from the socket that they are accepted from. A peer that is gone without a word
        // is noticed by them.
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, KEEPALIVE_IDLE)?;
        sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_PROBES)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        Ok(Self { address: socket.local_addr()?, socket: Arc::new(socket) })
    }
}

fn adopt(socket: std::net::TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connections that may wait to be accepted: a thousand callers at once must not have to try again.
const BACKLOG: u32 = 4096;
/// How long a connection is silent before the peer's system is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
/// How often it is asked.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// How many times, before the connection counts as broken.
const KEEPALIVE_PROBES: u32 = 6;
