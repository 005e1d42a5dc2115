//! Running the proxy: listeners, TLS, and leaving without losing a request.

mod limits;
mod listener;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::apps::HttpServerOptions;
use pingora::proxy::http_proxy_service;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::proxy::Gateway;

pub use limits::raise_open_files;
pub use listener::{Listener, ListenerSettings, StartError};
pub use tls::{TlsFiles, UnusableFile};

/// Makes aws-lc-rs the cryptography of this process, before anything else chooses another.
pub fn install_crypto_provider() {
    // An error means that a provider has been installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// How the proxy left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// With nothing in flight.
    Clean,
    /// Because nothing was listening any more.
    Failed,
    /// With this many requests broken off, because the drain time was over.
    BrokenOff(i64),
}

/// Serves `gateway` on `listeners` until `stop` is ready; then takes no new connection, lets requests finish for at
/// most `drain_timeout`, and returns as soon as nothing is in flight.
pub async fn serve(
    gateway: Gateway,
    listeners: Vec<Listener>,
    drain_timeout: Duration,
    stop: impl Future<Output = ()>,
) -> Departure {
    let (shutdown, watched) = watch::channel(false);
    let conf = Arc::new(ServerConf {
        max_retries: MAX_ATTEMPTS,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..ServerConf::default()
    });
    let mut service = http_proxy_service(&conf, gateway.clone());
    if let Some(proxy) = service.app_logic_mut() {
        let mut options = HttpServerOptions::default();
        options.h2_idle_timeout = Some(H2_IDLE_TIMEOUT);
        proxy.server_options = Some(options);
    }
    let mut descriptors = pingora::server::Fds::new();
    let mut background = JoinSet::new();
    for listener in listeners {
        if let Some(reload) = listener.attach(&mut service, &mut descriptors) {
            background.spawn(reload);
        }
    }
    for work in gateway.background() {
        background.spawn(work);
    }
    let descriptors = Arc::new(Mutex::new(descriptors));
    let mut accepting = tokio::spawn(async move { service.start_service(Some(descriptors), watched, 1).await });
    tokio::select! {
        () = stop => {}
        _ = &mut accepting => {
            tracing::error!("listeners ended without being asked to");
            return Departure::Failed;
        }
    }
    gateway.leave();
    tracing::info!(in_flight = gateway.in_flight(), "draining");
    shutdown.send_replace(true);
    let departure = drain(&gateway, accepting, Instant::now() + drain_timeout).await;
    background.abort_all();
    departure
}

async fn drain(gateway: &Gateway, accepting: tokio::task::JoinHandle<()>, deadline: Instant) -> Departure {
    // The accept loops end first, so that no request begins after the count has been read.
    if timeout_at(deadline, accepting).await.is_err() {
        tracing::warn!("listeners did not close in time");
    }
    // A request whose header section is being read is not counted yet.
    sleep(LAST_HEADERS).await;
    while gateway.in_flight() > 0 && Instant::now() < deadline {
        sleep(POLL).await;
    }
    match gateway.in_flight() {
        0 => Departure::Clean,
        broken_off => Departure::BrokenOff(broken_off),
    }
}

/// Attempts of one request at its target: connections to several addresses, and one repetition with a fresh token.
const MAX_ATTEMPTS: usize = 16;
/// Unused connections to targets that are kept, all targets together.
const IDLE_CONNECTIONS: usize = 4096;
/// How long an HTTP/2 connection without requests is kept.
const H2_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How often the number of requests in flight is looked at while draining.
const POLL: Duration = Duration::from_millis(10);
/// How long a request that has just arrived may take to be counted.
const LAST_HEADERS: Duration = Duration::from_millis(20);
