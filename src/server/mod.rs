//! Running the proxy: listeners, what callers may take of us, TLS, and leaving without losing a request.

mod accept;
mod complaints;
mod entrance;
mod frames;
mod hand_over;
mod limits;
mod listener;
mod listeners;
pub mod notify;
mod open;
mod proxies;
mod proxy_protocol;
mod room;
mod socket;
mod supervised;
mod tls;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::proxy::Gateway;

pub use hand_over::{AdminSocket, HandOver, HandOverError, Inherited, Predecessor, Program};
pub use limits::raise_open_files;
pub use listener::{ListenerSettings, StartError};
pub use listeners::{ListenerStatus, Listeners, Prepared};
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
    /// With this many requests broken off, because the drain time was over.
    BrokenOff(i64),
}

/// Why the proxy is to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It was told to.
    Told,
    /// Another process has taken over its sockets.
    HandedOver,
}

/// Starts the work beside requests. It ends when what is returned is dropped.
pub fn work(gateway: &Gateway, listeners: &Arc<Listeners>) -> JoinSet<()> {
    let mut work = JoinSet::new();
    work.spawn(Arc::clone(listeners).keep());
    for background in gateway.background() {
        work.spawn(background);
    }
    work
}

/// Waits until `gateway` is ready. One that never is has to begin some time: perhaps nobody else serves any more.
pub async fn wait_until_ready(gateway: &Gateway) {
    let begun = Instant::now();
    while !gateway.is_ready() && begun.elapsed() < LONGEST_UNREADY {
        sleep(POLL).await;
    }
}

/// Serves `gateway` on `listeners`, which have begun, until `stop` is ready; then takes no new connection, lets
/// requests finish for at most `drain_timeout`, and returns as soon as nothing is in flight.
pub async fn serve(
    gateway: Gateway,
    listeners: Arc<Listeners>,
    drain_timeout: impl Fn() -> Duration,
    stop: impl Future<Output = Stop>,
) -> Departure {
    let how = stop.await;
    gateway.leave();
    tracing::info!(in_flight = gateway.in_flight(), "draining");
    if how == Stop::Told {
        notify::stopping();
    }
    listeners.leave(how);
    drain(&gateway, &listeners, drain_timeout()).await
}

async fn drain(gateway: &Gateway, listeners: &Listeners, drain_timeout: Duration) -> Departure {
    let begun = Instant::now();
    while !listeners.are_done(begun.elapsed()) && begun.elapsed() < drain_timeout {
        sleep(POLL).await;
    }
    let in_flight = gateway.in_flight();
    listeners.abort();
    match in_flight {
        0 => Departure::Clean,
        broken_off => Departure::BrokenOff(broken_off),
    }
}

/// How long a process that is to take over waits for its keys: longer than the one before waits for it.
const LONGEST_UNREADY: Duration = Duration::from_secs(90);
/// How often the number of open connections is looked at while draining.
const POLL: Duration = Duration::from_millis(20);
