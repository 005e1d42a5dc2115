//! All listeners: changed in two steps while they serve, and left without losing a request.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pingora::apps::HttpServerOptions;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Stop;
use super::accept::{Shared, accept};
use super::entrance::Entrance;
use super::hand_over::Inherited;
use super::listener::{Bound, Listener, ListenerSettings, StartError, State};
use super::tls::Tls;
use crate::connection::Limits;
use crate::proxy::{Gateway, Punctual};

/// The listeners of a proxy.
pub struct Listeners {
    gateway: Gateway,
    shared: Arc<Shared>,
    running: Mutex<Vec<Arc<Listener>>>,
    /// It holds the connections to targets, so it stays while it can.
    proxy: Mutex<Option<Made>>,
    work: Mutex<JoinSet<()>>,
}

/// The proxy as Pingora runs it, with the limits that it was made for.
type Made = (Arc<Limits>, Arc<Punctual>);

/// Listeners that could begin at once: addresses bound, files read. Dropped, it leaves no trace.
pub struct Prepared {
    limits: Arc<Limits>,
    proxy: Arc<Punctual>,
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
    /// No listeners yet, for this proxy.
    pub fn new(gateway: Gateway) -> Self {
        let (shared, running, proxy, work) = Default::default();
        Self { gateway, shared, running, proxy, work }
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
        let (limits, proxy) = self.proxy_for(limits);
        let mut kept = self.running.lock().clone();
        let mut listeners = Vec::new();
        for settings in settings {
            let same = kept.iter().position(|listener| listener.configured == settings.address);
            let place = match same {
                Some(position) => Place::Kept(kept.remove(position)),
                None => Place::New(Bound::bind(settings.address, inherited)?),
            };
            let entrance = Arc::new(entrance(settings, &limits, &proxy)?);
            listeners.push(PreparedListener { configured: settings.address, place, entrance });
        }
        Ok(Prepared { limits, proxy, listeners, drain_timeout })
    }

    /// Makes the change: new listeners begin, those that stay keep their sockets and connections and treat new ones by
    /// the new settings, and those that are gone take no more connections and drain. Needs a tokio runtime.
    pub fn commit(&self, prepared: Prepared) {
        let drain_timeout = prepared.drain_timeout;
        let next: Vec<_> = prepared.listeners.into_iter().map(|listener| self.establish(listener)).collect();
        *self.proxy.lock() = Some((prepared.limits, prepared.proxy));
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

    fn proxy_for(&self, limits: &Limits) -> Made {
        let proxy = self.proxy.lock();
        match &*proxy {
            Some((same, proxy)) if **same == *limits => (Arc::clone(same), Arc::clone(proxy)),
            _ => (Arc::new(limits.clone()), Arc::new(new_proxy(self.gateway.clone(), limits))),
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

fn entrance(settings: &ListenerSettings, limits: &Arc<Limits>, proxy: &Arc<Punctual>) -> Result<Entrance, StartError> {
    let tls = settings.tls.as_ref().map(Tls::load).transpose().map_err(StartError::Tls)?;
    Ok(Entrance {
        proxy: Arc::clone(proxy),
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

fn new_proxy(gateway: Gateway, limits: &Limits) -> Punctual {
    let conf = Arc::new(ServerConf {
        max_retries: MAX_ATTEMPTS,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..ServerConf::default()
    });
    let mut proxy = http_proxy(&conf, gateway);
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(limits.idle_timeout);
    proxy.server_options = Some(options);
    proxy.h2_options = Some(h2_options(limits));
    Punctual::new(proxy)
}

fn h2_options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(limits.streams)
        // HTTP/2 counts 32 bytes more for each field; the rest of the answer is the proxy's.
        .max_header_list_size(limits.header_bytes.saturating_add(FIELD_OVERHEAD))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_pending_accept_reset_streams(RESET_STREAMS);
    options
}

/// Attempts of one request at its target: connections to several addresses, and one repetition with a fresh token.
const MAX_ATTEMPTS: usize = 16;
/// Unused connections to targets that are kept, all targets together.
const IDLE_CONNECTIONS: usize = 4096;
/// What RFC 9113 section 6.5.2 adds to the length of a header section with as many fields as can be allowed, in bytes.
const FIELD_OVERHEAD: u32 = 32 * 256;
/// How much of a body an HTTP/2 caller may send ahead of its target, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// All bodies of one connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How much of an answer waits for an HTTP/2 caller to read it, in bytes.
const SEND_BUFFER: usize = 128 * 1024;
/// Requests that were taken back and are remembered; more of them, not yet looked at, end the connection.
const RESET_STREAMS: usize = 20;
/// How often the files of certificates are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How often the connections of a listener that is gone are counted.
const RETIRE_POLL: Duration = Duration::from_millis(50);
/// How long HTTP/2 callers without a request have to go after our farewell.
const FAREWELL: Duration = Duration::from_secs(1);
