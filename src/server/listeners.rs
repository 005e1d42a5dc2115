//! All listeners: changed in two steps while they serve, and left without losing a request.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Stop;
use super::accept::{Shared, accept};
use super::entrance::Entrance;
use super::hand_over::Inherited;
use super::listener::{Bound, Listener, ListenerSettings, StartError, State};
use super::proxies::Proxies;
use super::tls::Tls;
use super::workers::Workers;
use crate::connection::Limits;
use crate::proxy::Gateway;

/// The listeners of a proxy.
pub struct Listeners {
    gateway: Gateway,
    shared: Arc<Shared>,
    running: Mutex<Vec<Arc<Listener>>>,
    /// They hold the connections to targets, so they stay while they can.
    proxies: Mutex<Option<Made>>,
    work: Mutex<JoinSet<()>>,
}

/// The proxy as Pingora runs it, once for each worker, with the limits that it was made for.
type Made = (Arc<Limits>, Arc<Proxies>);

/// Listeners that could begin at once: addresses bound, files read. Dropped, it leaves no trace.
pub struct Prepared {
    limits: Arc<Limits>,
    proxies: Arc<Proxies>,
    listeners: Vec<PreparedListener>,
    drain_timeout: Duration,
}

/// A listener, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Its address.
    pub address: SocketAddr,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// When its certificate ends, in seconds since 1970.
    pub certificate_ends: Option<i64>,
}

#[derive(Debug)]
struct PreparedListener {
    configured: SocketAddr,
    place: Place,
    entrance: Arc<Entrance>,
}

#[derive(Debug)]
enum Place {
    Kept(Arc<Listener>),
    New(Bound),
}

impl Listeners {
    /// No listeners yet, for this proxy, whose connections will be served by so many threads.
    ///
    /// # Errors
    /// Where these threads cannot be started.
    pub fn new(gateway: Gateway, workers: NonZeroUsize) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(Workers::start(workers)?));
        let (running, proxies, work) = Default::default();
        Ok(Self { gateway, shared, running, proxies, work })
    }

    /// Binds what is new and reads every file. Nothing that runs is touched. Needs a tokio runtime.
    ///
    /// A listener is known by its address; two addresses that overlap (`0.0.0.0` and another one with the same port)
    /// cannot take each other's place in one step.
    ///
    /// # Errors
    /// [`StartError`], naming the address or the file.
    pub fn prepare(
        &self,
        settings: &[ListenerSettings],
        limits: &Limits,
        drain_timeout: Duration,
    ) -> Result<Prepared, StartError> {
        self.prepare_with(settings, limits, drain_timeout, &mut Inherited::default())
    }

    /// As [`Self::prepare`], with sockets of the process before where they fit.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn prepare_with(
        &self,
        settings: &[ListenerSettings],
        limits: &Limits,
        drain_timeout: Duration,
        inherited: &mut Inherited,
    ) -> Result<Prepared, StartError> {
        let (limits, proxies) = self.proxies_for(limits);
        let mut kept = self.running.lock().clone();
        let mut listeners = Vec::new();
        for settings in settings {
            let same = kept.iter().position(|listener| listener.configured == settings.address);
            let place = match same {
                Some(position) => Place::Kept(kept.remove(position)),
                None => Place::New(Bound::bind(settings.address, inherited)?),
            };
            let entrance = Arc::new(entrance(settings, &limits, &proxies)?);
            listeners.push(PreparedListener { configured: settings.address, place, entrance });
        }
        Ok(Prepared { limits, proxies, listeners, drain_timeout })
    }

    /// Makes the change: new listeners begin, those that stay keep their sockets and connections and treat new ones by
    /// the new settings, and those that are gone take no more connections and drain. Needs a tokio runtime.
    pub fn commit(&self, prepared: Prepared) {
        let drain_timeout = prepared.drain_timeout;
        let next: Vec<_> = prepared.listeners.into_iter().map(|listener| self.establish(listener)).collect();
        *self.proxies.lock() = Some((prepared.limits, prepared.proxies));
        let before = std::mem::replace(&mut *self.running.lock(), next.clone());
        for gone in before.into_iter().filter(|old| !next.iter().any(|listener| Arc::ptr_eq(old, listener))) {
            tracing::info!(listener = %gone.address, "listener removed");
            gone.leave(State::Closing);
            let shared = Arc::clone(&self.shared);
            self.work.lock().spawn(async move { retire(&shared, &gone, drain_timeout).await });
        }
    }

    /// The addresses that callers connect to, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.running.lock().iter().map(|listener| listener.address).collect()
    }

    /// The sockets that connections are accepted from.
    pub(super) fn sockets(&self) -> Vec<Arc<TcpListener>> {
        self.running.lock().iter().filter_map(|listener| listener.socket()).collect()
    }

    /// What there is to say of each listener, in the order of the configuration.
    pub fn status(&self) -> Vec<ListenerStatus> {
        let running = self.running.lock();
        let status = |listener: &Arc<Listener>| {
            let tls = &listener.entrance.load().tls;
            let certificate_ends = tls.as_ref().and_then(|tls| tls.ends());
            ListenerStatus { address: listener.address, tls: tls.is_some(), certificate_ends }
        };
        running.iter().map(status).collect()
    }

    /// Reads the files of all TLS settings again where they have changed; where `forced`, in any case.
    pub fn refresh_certificates(&self, forced: bool) {
        let running = self.running.lock().clone();
        for listener in running {
            if let Some(tls) = &listener.entrance.load().tls {
                tls.refresh(forced, &listener.metrics);
            }
        }
    }

    /// Takes no more connections, and says farewell to those that are open.
    pub(super) fn leave(&self, how: Stop) {
        let state = if how == Stop::HandedOver { State::HandedOver } else { State::Closing };
        for listener in self.running.lock().iter() {
            listener.leave(state);
        }
    }

    /// Ends every connection.
    pub(super) fn abort(&self) {
        for listener in self.running.lock().iter() {
            self.shared.open.abort(&listener.farewell);
        }
    }

    /// Whether nothing is open any more for which it would be worth to stay. Whoever keeps an HTTP/2 connection after
    /// our farewell, without a request on it, has had `elapsed` to go.
    pub(super) fn are_done(&self, elapsed: Duration) -> bool {
        self.shared.open.sweep();
        let (open, unused) = self.shared.open.count();
        open == 0 || unused == 0 && self.gateway.in_flight() == 0 && elapsed >= FAREWELL
    }

    /// Keeps time-outs and certificates, for as long as it is polled.
    pub(super) async fn keep(self: Arc<Self>) {
        let sweeping = Arc::clone(&self.shared.open);
        tokio::join!(sweeping.keep_swept(), self.keep_certificates_fresh());
    }

    async fn keep_certificates_fresh(self: &Arc<Self>) {
        loop {
            sleep(LOOK_INTERVAL).await;
            let listeners = Arc::clone(self);
            let looked = tokio::task::spawn_blocking(move || listeners.refresh_certificates(false));
            if looked.await.is_err() {
                tracing::error!("failed to look at the certificates");
            }
        }
    }

    fn establish(&self, prepared: PreparedListener) -> Arc<Listener> {
        match prepared.place {
            Place::Kept(listener) => {
                listener.entrance.store(prepared.entrance);
                report(&listener);
                listener
            }
            Place::New(bound) => {
                let metrics = self.gateway.metrics().connections().of(&bound.address.to_string());
                let listener = Listener::new(prepared.configured, bound, prepared.entrance, Arc::new(metrics));
                let listener = Arc::new(listener);
                report(&listener);
                self.work.lock().spawn(accept(Arc::clone(&listener), Arc::clone(&self.shared)));
                listener
            }
        }
    }

    fn proxies_for(&self, limits: &Limits) -> Made {
        let proxies = self.proxies.lock();
        match &*proxies {
            Some((same, proxies)) if **same == *limits => (Arc::clone(same), Arc::clone(proxies)),
            _ => {
                let proxies = Proxies::new(&self.gateway, limits, self.shared.workers.count());
                (Arc::new(limits.clone()), Arc::new(proxies))
            }
        }
    }
}

impl Prepared {
    /// The addresses that callers will connect to, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |listener: &PreparedListener| match &listener.place {
            Place::Kept(listener) => listener.address,
            Place::New(bound) => bound.address,
        };
        self.listeners.iter().map(address).collect()
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("running", &self.running).finish_non_exhaustive()
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

fn entrance(settings: &ListenerSettings, limits: &Arc<Limits>, proxies: &Arc<Proxies>) -> Result<Entrance, StartError> {
    let tls = settings.tls.as_ref().map(Tls::load).transpose().map_err(StartError::Tls)?;
    Ok(Entrance {
        proxies: Arc::clone(proxies),
        limits: Arc::clone(limits),
        tls: tls.map(Arc::new),
        h2c: settings.h2c,
        proxy_protocol: settings.proxy_protocol.clone(),
    })
}

fn report(listener: &Listener) {
    if let Some(tls) = &listener.entrance.load().tls {
        tls.report(&listener.metrics);
    }
}

/// Waits until the connections of a listener that is gone have ended, and ends them when their time is over.
async fn retire(shared: &Shared, gone: &Listener, drain_timeout: Duration) {
    let deadline = Instant::now() + drain_timeout;
    while shared.open.count_leaving(&gone.farewell) > 0 && Instant::now() < deadline {
        sleep(RETIRE_POLL).await;
    }
    shared.open.abort(&gone.farewell);
}

/// How often the files of certificates are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How often the connections of a listener that is gone are counted.
const RETIRE_POLL: Duration = Duration::from_millis(50);
/// How long HTTP/2 callers without a request have to go after our farewell.
const FAREWELL: Duration = Duration::from_secs(1);
