//! A proxy put together from its settings: everything bound and checked, nothing running yet.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing_appender::non_blocking::ErrorCounter;

use crate::admin::Admin;
use crate::config::Settings;
use crate::exchange::Unusable;
use crate::idp::ClientError;
use crate::proxy::{Gateway, GatewayError, GatewaySettings};
use crate::server::{
    self, Departure, HandOver, Inherited, Listeners, Predecessor, Prepared, Program, StartError, Stop,
};
use crate::telemetry::Metrics;

/// A proxy that is ready to serve.
#[derive(Debug)]
pub struct Instance {
    gateway: Gateway,
    listeners: Arc<Listeners>,
    prepared: Prepared,
    admin: Option<tokio::net::TcpListener>,
    drain_timeout: Duration,
    /// The process that serves until this one is ready.
    predecessor: Option<Predecessor>,
    /// Whether another process has taken over.
    is_handed_over: Arc<AtomicBool>,
}

/// Why a proxy cannot be put together.
#[derive(Debug)]
pub enum AssemblyError {
    /// A listener cannot serve.
    Listener(StartError),
    /// The admin address cannot be bound.
    Admin(SocketAddr, std::io::Error),
    /// There is no way to talk to the identity provider.
    Client(ClientError),
    /// A credential cannot be used any more.
    Credential(Unusable),
    /// Two routes cannot be told apart; the configuration was not checked.
    Routes,
    /// The metrics cannot be registered.
    Metrics(prometheus::Error),
}

impl fmt::Display for AssemblyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listener(error) => error.fmt(f),
            Self::Admin(address, cause) => write!(f, "failed to listen on {address} (admin): {cause}"),
            Self::Client(error) => error.fmt(f),
            Self::Credential(error) => write!(f, "failed to load a credential: {error}"),
            Self::Routes => f.write_str("two routes serve the same requests"),
            Self::Metrics(error) => write!(f, "failed to register metrics: {error}"),
        }
    }
}

impl std::error::Error for AssemblyError {}

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
    let settings = GatewaySettings {
        identities: settings.identities,
        routes: settings.routes,
        cache_entries: settings.cache_entries,
        refusal_ttl: settings.refusal_ttl,
        edge: settings.edge,
    };
    Ok(Gateway::new(settings, metrics)?)
}

impl Instance {
    /// Binds every address, reads every file that the listeners need, and prepares the routes.
    ///
    /// # Errors
    /// The first thing that stands in the way; nothing stays bound then.
    pub async fn assemble(settings: Settings) -> Result<Self, AssemblyError> {
        Self::succeed(settings, None).await
    }

    /// As [`Instance::assemble`], for a process that takes over from another one: its sockets are used where addresses
    /// are the same, and it is told to leave once this one serves.
    ///
    /// # Errors
    /// As [`Instance::assemble`].
    pub async fn succeed(settings: Settings, from: Option<(Predecessor, Inherited)>) -> Result<Self, AssemblyError> {
        let (predecessor, mut inherited) = from.map_or_else(Default::default, |(it, sockets)| (Some(it), sockets));
        server::install_crypto_provider();
        let (listening, limits, drain_timeout) =
            (settings.listeners.clone(), settings.limits.clone(), settings.drain_timeout);
        let admin_address = settings.admin;
        let gateway = gateway(settings)?;
        let listeners = Arc::new(Listeners::new(gateway.clone()));
        let prepared = listeners
            .prepare_with(&listening, &limits, drain_timeout, &mut inherited)
            .map_err(AssemblyError::Listener)?;
        let admin = match admin_address {
            Some(address) => Some(
                admin_socket(address, inherited.take(address))
                    .await
                    .map_err(|cause| AssemblyError::Admin(address, cause))?,
            ),
            None => None,
        };
        inherited.drop_rest();
        let is_handed_over = Arc::default();
        Ok(Self { gateway, listeners, prepared, admin, drain_timeout, predecessor, is_handed_over })
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
            admin: self.admin.as_ref().and_then(|admin| admin.as_fd().try_clone_to_owned().ok()),
            metrics: self.gateway.metrics().connections().clone(),
            has_succeeded: Arc::clone(&self.is_handed_over),
        }
    }

    /// Serves until `stop` is ready and requests have been let finish.
    pub async fn serve(self, dropped_lines: Option<ErrorCounter>, stop: impl Future<Output = ()>) -> Departure {
        tokio::pin!(stop);
        let _work = server::work(&self.gateway, &self.listeners);
        if self.predecessor.is_some() {
            // It serves meanwhile, and answers on the admin address: two answers there would contradict each other.
            tokio::select! {
                () = server::wait_until_ready(&self.gateway) => {}
                () = &mut stop => return Departure::Clean,
            }
        }
        let admin = Admin { gateway: self.gateway.clone(), dropped_lines };
        let answering = self.admin.map(|listener| tokio::spawn(admin.serve(listener)));
        self.listeners.commit(self.prepared);
        self.predecessor.into_iter().for_each(Predecessor::dismiss);
        server::notify::ready();
        let stop = async {
            stop.await;
            if !self.is_handed_over.load(Ordering::Acquire) {
                return Stop::Told;
            }
            answering.iter().for_each(tokio::task::JoinHandle::abort);
            Stop::HandedOver
        };
        let departure = server::serve(self.gateway, self.listeners, self.drain_timeout, stop).await;
        answering.iter().for_each(tokio::task::JoinHandle::abort);
        departure
    }
}

async fn admin_socket(
    address: SocketAddr,
    inherited: Option<std::net::TcpListener>,
) -> std::io::Result<tokio::net::TcpListener> {
    let Some(socket) = inherited else { return Admin::bind(address).await };
    socket.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(socket)
}
