//! One place where a target is found: its name is resolved in the background, again and again, and the last addresses
//! that were found are kept while it does not resolve.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::upstreams::peer::HttpPeer;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::backend::Backend;
use super::settings::EndpointSettings;

/// One place where a target is found.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) place: EndpointSettings,
    /// What its peers have in common.
    pub(super) template: HttpPeer,
    /// What the name last resolved to; a failed resolution keeps it.
    found: ArcSwap<Vec<SocketAddr>>,
    /// Whether the last resolution failed.
    is_failing: AtomicBool,
}

impl Endpoint {
    /// For a name, or an address, which is never resolved.
    pub(super) fn new(place: EndpointSettings, template: HttpPeer) -> Self {
        let known = place.host.parse().map(|ip: IpAddr| vec![SocketAddr::new(ip, place.port)]);
        Self {
            found: ArcSwap::from_pointee(known.unwrap_or_default()),
            is_failing: AtomicBool::new(false),
            place,
            template,
        }
    }

    /// Whether its addresses have to be asked for.
    pub(super) fn is_name(&self) -> bool {
        self.place.host.parse::<IpAddr>().is_err()
    }

    /// What the name last resolved to.
    pub(super) fn found(&self) -> Vec<SocketAddr> {
        self.found.load().to_vec()
    }

    /// Takes over what the name resolved to; says whether it resolved, and whether to something new.
    fn take_over(&self, outcome: io::Result<Vec<SocketAddr>>) -> Resolution {
        let reason = match outcome {
            Ok(found) if found.is_empty() => "no address".to_owned(),
            Ok(found) => {
                self.is_failing.store(false, Ordering::Relaxed);
                let is_new = **self.found.load() != found;
                self.found.store(found.into());
                return Resolution { succeeded: true, is_new };
            }
            Err(error) => error.to_string(),
        };
        // Once is enough until it resolves again.
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let kept = self.found.load().len();
            tracing::warn!(host = &*self.place.host, kept, reason, "failed to resolve the target's name");
        }
        Resolution { succeeded: false, is_new: false }
    }
}

/// How one resolution ended.
struct Resolution {
    succeeded: bool,
    is_new: bool,
}

/// Resolves the name of an endpoint again and again, as long as there is its backend; ends at once for an address.
///
/// A resolver that hangs holds one thread for each name at most: while one look-up is under way, no other one begins.
pub(super) async fn keep_resolved<F>(backend: Weak<Backend>, number: usize, look_up: impl Fn(EndpointSettings) -> F)
where
    F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
{
    let place = backend.upgrade().and_then(|backend| {
        backend.endpoint(number).filter(|endpoint| endpoint.is_name()).map(|endpoint| endpoint.place.clone())
    });
    let Some(place) = place else { return };
    let mut under_way: Option<JoinHandle<io::Result<Vec<SocketAddr>>>> = None;
    loop {
        let mut asking = under_way.take().unwrap_or_else(|| tokio::spawn(look_up(place.clone())));
        let outcome = if let Ok(outcome) = timeout(RESOLVE_TIMEOUT, &mut asking).await {
            outcome.unwrap_or_else(|error| Err(io::Error::other(error)))
        } else {
            under_way = Some(asking);
            Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
        };
        let Some(backend) = backend.upgrade() else { return };
        let resolution = backend.endpoint(number).map(|endpoint| endpoint.take_over(outcome));
        let Some(Resolution { succeeded, is_new }) = resolution else { return };
        backend.has_resolved(number, is_new);
        drop(backend);
        sleep(if succeeded { RESOLVE_INTERVAL } else { RESOLVE_RETRY }).await;
    }
}

/// Asks the resolver of the system.
pub(super) async fn look_up(place: EndpointSettings) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((&*place.host, place.port)).await?.collect())
}

/// How often names are resolved, whatever their records say: the resolver of the system does not tell.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// How soon after a failure.
const RESOLVE_RETRY: Duration = Duration::from_secs(2);
/// The time that one resolution may take before it counts as failed.
pub(super) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
