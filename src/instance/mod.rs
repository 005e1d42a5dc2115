//! A proxy put together from its settings: everything bound and checked, nothing running yet. Then it serves, and follows
//! the file of its configuration.

mod follow;
mod replace;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::follow::{Follower, Requests};
pub use self::follow::{Outcome, Reloads};
use self::replace::{Replacing, unix_seconds};
use crate::admin::{Admin, Door};
use crate::config::Settings;
use crate::exchange::Unusable;
use crate::idp::ClientError;
use crate::proxy::{Gateway, GatewayError, GatewaySettings};
use crate::reload::{Record, Watch};
use crate::server::{
    self, AdminSocket, Departure, HandOver, Inherited, Listeners, Predecessor, Prepared, Program, StartError, Stop,
};
use crate::stamp::Stamps;
use crate::telemetry::{DroppedLines, LogControl, Metrics};

/// A proxy that is ready to serve.
#[derive(Debug)]
pub struct Instance {
    gateway: Gateway,
    listeners: Arc<Listeners>,
    prepared: Prepared,
    admin: Option<tokio::net::TcpListener>,
    record: Arc<Record>,
    /// The address that it was made of.
    admin_address: Option<SocketAddr>,
    drain_timeout: Arc<Mutex<Duration>>,
    /// The files that the settings are made of.
    files: Stamps,
    followed: Option<Followed>,
    /// The process that serves until this one is ready.
    predecessor: Option<Predecessor>,
    /// Whether another process has taken over.
    is_handed_over: Arc<AtomicBool>,
    /// The admin listener's socket for that process, wherever the listener is by then.
    admin_socket: AdminSocket,
}

/// A file that is to be followed.
#[derive(Debug)]
struct Followed {
    file: PathBuf,
    log: Option<LogControl>,
    requests: Requests,
}

/// Why a proxy cannot be put together.
#[derive(Debug)]
pub enum AssemblyError {
    /// A listener cannot serve.
    Listener(StartError),
    /// The admin address cannot be bound.
    Admin(SocketAddr, std::io::Error),
    /// The threads that serve connections cannot be started.
    Workers(std::io::Error),
    /// There is no way to talk to the identity provider.
    Client(ClientError),
    /// A credential cannot be used any more.
    Credential(Unusable),
    /// Two routes cannot be told apart; the configuration was not checked.
    Routes,
    /// The metrics cannot be registered.
    Metrics(prometheus::Error),
    /// The proxy is leaving.
    Leaving,
    /// A fault of our own.
    Broken,
}

impl fmt::Display for AssemblyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(error) => error.fmt(f),
            Self::Admin(address, cause) => write!(f, "failed to listen on {address} (admin): {cause}"),
            Self::Workers(cause) => write!(f, "failed to start the threads that serve connections: {cause}"),
            Self::Client(error) => error.fmt(f),
            Self::Credential(error) => write!(f, "failed to load a credential: {error}"),
            Self::Routes => f.write_str("two routes serve the same requests"),
            Self::Metrics(error) => write!(f, "failed to register metrics: {error}"),
            Self::Leaving => f.write_str("the proxy is leaving"),
            Self::Broken => f.write_str("a fault of the proxy"),
        }
    }
}

impl std::error::Error for AssemblyError {}

impl From<(SocketAddr, std::io::Error)> for AssemblyError {
    fn from((address, cause): (SocketAddr, std::io::Error)) -> Self {
        Self::Admin(address, cause)
    }
}

impl From<GatewayError> for AssemblyError {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Ties(_) => Self::Routes,
            GatewayError::Credential(unusable) => Self::Credential(unusable),
            GatewayError::Client(error) => Self::Client(error),
        }
    }
}

/// The proxy alone: nothing is bound, and nothing runs.
///
/// # Errors
/// The first thing that stands in the way.
pub fn gateway(settings: Settings) -> Result<Gateway, AssemblyError> {
    server::install_crypto_provider();
    let metrics = Arc::new(Metrics::new().map_err(AssemblyError::Metrics)?);
    Ok(Gateway::new(gateway_settings(settings), metrics)?)
}

/// One thread for each processor that this process may use.
pub fn usual_workers() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The part of the settings that decides about requests.
fn gateway_settings(settings: Settings) -> GatewaySettings {
    GatewaySettings {
        identities: settings.identities,
        routes: settings.routes,
        cache_entries: settings.cache_entries,
        refusal_ttl: settings.refusal_ttl,
        edge: settings.edge,
    }
}

impl Instance {
    /// Binds every address, reads every file that the listeners need, and prepares the routes.
    ///
    /// # Errors
    /// The first thing that stands in the way; nothing stays bound then.
    pub async fn assemble(settings: Settings) -> Result<Self, AssemblyError> {
        Self::succeed(settings, usual_workers(), None).await
    }

    /// As [`Instance::assemble`], served by so many threads, and perhaps in a process that takes over from another one:
    /// its sockets are used where addresses are the same, and it is told to leave once this one serves.
    ///
    /// # Errors
    /// As [`Instance::assemble`].
    pub async fn succeed(
        settings: Settings,
        workers: NonZeroUsize,
        from: Option<(Predecessor, Inherited)>,
    ) -> Result<Self, AssemblyError> {
        let (predecessor, mut inherited) = from.map_or_else(Default::default, |(it, sockets)| (Some(it), sockets));
        server::install_crypto_provider();
        let (listening, limits, drain_timeout) =
            (settings.listeners.clone(), settings.limits.clone(), settings.drain_timeout);
        let (admin_address, text, files) = (settings.admin, settings.text, settings.files.clone());
        let gateway = gateway(settings)?;
        let listeners = Arc::new(Listeners::new(gateway.clone(), workers).map_err(AssemblyError::Workers)?);
        let prepared = listeners
            .prepare_with(&listening, &limits, drain_timeout, &mut inherited)
            .map_err(AssemblyError::Listener)?;
        let admin = match admin_address {
            Some(address) => Some(admin_socket(address, inherited.take(address)).await?),
            None => None,
        };
        inherited.drop_rest();
        let (record, drain_timeout) = (Arc::new(Record::new(text)), Arc::new(Mutex::new(drain_timeout)));
        gateway.metrics().reloads().serves(unix_seconds(record.started()), text.as_bytes());
        Ok(Self {
            gateway,
            listeners,
            prepared,
            admin_socket: socket_of(admin.as_ref()),
            admin,
            record,
            admin_address,
            drain_timeout,
            files,
            followed: None,
            predecessor,
            is_handed_over: Arc::default(),
        })
    }

    /// Follows the file that the settings came from while it serves: the proxy goes by what it says soon after it has
    /// changed, or a file has whose content is part of the settings, and whenever it is asked to read them again.
    ///
    /// `log` is changed with it, where it is given.
    pub fn follow(&mut self, file: &Path, log: Option<LogControl>) -> Reloads {
        let (reloads, requests) = Reloads::channel();
        self.record.follows(file.to_owned());
        self.followed = Some(Followed { file: file.to_owned(), log, requests });
        reloads
    }

    /// The addresses that callers connect to, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.prepared.addresses()
    }

    /// The admin address, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|admin| admin.local_addr().ok())
    }

    /// The proxy itself.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The listeners for callers, which begin with [`Instance::serve`].
    pub fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// A way to hand the sockets over to a new process of this program.
    pub fn hand_over(&self, program: Program) -> HandOver {
        HandOver {
            program,
            listeners: Arc::clone(&self.listeners),
            admin: Arc::clone(&self.admin_socket),
            metrics: self.gateway.metrics().connections().clone(),
            has_succeeded: Arc::clone(&self.is_handed_over),
        }
    }

    /// Ready when all is there that requests need, or when it has taken too long to wait for it.
    pub fn readiness(&self) -> impl Future<Output = ()> + Send + use<> {
        let gateway = self.gateway.clone();
        async move { server::wait_until_ready(&gateway).await }
    }

    /// Serves until `stop` is ready and requests have been let finish.
    pub async fn serve(self, dropped_lines: Option<DroppedLines>, stop: impl Future<Output = ()>) -> Departure {
        tokio::pin!(stop);
        let _work = server::work(&self.gateway, &self.listeners);
        if self.predecessor.is_some() {
            // It serves meanwhile, and answers on the admin address: two answers there would contradict each other.
            tokio::select! {
                () = server::wait_until_ready(&self.gateway) => {}
                () = &mut stop => return Departure::Clean,
            }
        }
        let (gateway, listeners) = (self.gateway.clone(), Arc::clone(&self.listeners));
        let (drain_timeout, is_handed_over) = (Arc::clone(&self.drain_timeout), Arc::clone(&self.is_handed_over));
        let (leave, leaving) = oneshot::channel();
        let following = self.begin(dropped_lines, leaving);
        let stop = async {
            stop.await;
            drop(leave);
            if is_handed_over.load(Ordering::Acquire) { Stop::HandedOver } else { Stop::Told }
        };
        let departure = server::serve(gateway, listeners, || *drain_timeout.lock(), stop).await;
        following.abort();
        departure
    }

    /// Takes connections from now on, answers on the admin listener, and follows the configuration until `leaving` ends.
    /// What comes out in the end keeps the admin listener open while requests are let finish; another process that has
    /// taken over answers for itself.
    fn begin(
        self,
        dropped_lines: Option<DroppedLines>,
        leaving: oneshot::Receiver<()>,
    ) -> JoinHandle<Option<Replacing>> {
        let (gateway, listeners, record) = (self.gateway, self.listeners, self.record);
        let admin = Admin {
            gateway: gateway.clone(),
            listeners: Arc::clone(&listeners),
            dropped_lines,
            record: Arc::clone(&record),
        };
        let door = Door::open(admin, self.admin_address, self.admin);
        listeners.commit(self.prepared);
        self.predecessor.into_iter().for_each(Predecessor::dismiss);
        server::notify::ready();
        let (admin_socket, drain_timeout) = (self.admin_socket, self.drain_timeout);
        let mut replacing = Replacing { gateway, listeners, door, admin_socket, drain_timeout, log: None };
        let (watch, followed, is_handed_over) = (Watch::new(self.files), self.followed, self.is_handed_over);
        tokio::spawn(async move {
            if let Some(Followed { file, log, requests }) = followed {
                replacing.log = log;
                let following = Follower { file, watch, requests, record, replacing, retry_at: None };
                replacing = following.follow(leaving).await;
            } else {
                let _ = leaving.await;
            }
            (!is_handed_over.load(Ordering::Acquire)).then_some(replacing)
        })
    }
}

async fn admin_socket(
    address: SocketAddr,
    inherited: Option<std::net::TcpListener>,
) -> Result<tokio::net::TcpListener, AssemblyError> {
    let failed = |cause| AssemblyError::Admin(address, cause);
    let Some(socket) = inherited else { return Admin::bind(address).await.map_err(failed) };
    socket.set_nonblocking(true).map_err(failed)?;
    tokio::net::TcpListener::from_std(socket).map_err(failed)
}

fn socket_of(admin: Option<&tokio::net::TcpListener>) -> AdminSocket {
    let socket = admin.and_then(|admin| admin.as_fd().try_clone_to_owned().ok());
    Arc::new(Mutex::new(socket))
}
