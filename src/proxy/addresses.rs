//! Where a target is: its name resolved in the background, its addresses tried in turn, the dead ones passed over.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// The addresses of one target.
#[derive(Debug)]
pub(super) struct Addresses {
    host: Box<str>,
    port: u16,
    /// What the name last resolved to; a failed resolution keeps it.
    current: ArcSwap<Vec<Arc<Address>>>,
    turn: AtomicUsize,
    /// Whether the last resolution failed.
    is_failing: AtomicBool,
    /// When a request last had to resolve the name on its own.
    asked: Mutex<Option<Instant>>,
}

/// One address.
#[derive(Debug)]
struct Address {
    socket: SocketAddr,
    /// Until when it is passed over, because a connection to it failed.
    dead_until: ArcSwapOption<Instant>,
}

impl Addresses {
    /// For a name, or an address, which is never resolved.
    pub(super) fn new(host: &str, port: u16) -> Self {
        let known = host.parse().map(|ip: IpAddr| vec![Arc::new(Address::new(SocketAddr::new(ip, port)))]);
        Self {
            host: host.into(),
            port,
            current: ArcSwap::from_pointee(known.unwrap_or_default()),
            turn: AtomicUsize::new(0),
            is_failing: AtomicBool::new(false),
            asked: Mutex::new(None),
        }
    }

    /// How many addresses there are.
    pub(super) fn count(&self) -> usize {
        self.current.load().len()
    }

    /// The next address in turn that is not known to be dead; any where all are. `None` while the name has never
    /// resolved.
    pub(super) async fn next(&self) -> Option<SocketAddr> {
        if self.count() == 0 {
            self.resolve_for_requests().await;
        }
        let current = self.current.load();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || current.iter().cycle().skip(turn.checked_rem(current.len()).unwrap_or(0)).take(current.len());
        let alive = in_turn().find(|address| address.is_alive());
        alive.or_else(|| in_turn().next()).map(|address| address.socket)
    }

    /// Passes over an address for a while.
    pub(super) fn mark_dead(&self, socket: &SocketAddr) {
        if let Some(address) = self.current.load().iter().find(|address| address.socket == *socket) {
            address.dead_until.store(Some(Arc::new(Instant::now() + DEAD_TIME)));
        }
    }

    /// Resolves the name again and again; ends at once for an address.
    pub(super) async fn keep_resolved(&self) {
        if self.host.parse::<IpAddr>().is_ok() {
            return;
        }
        loop {
            let found = self.resolve().await;
            sleep(if found { RESOLVE_INTERVAL } else { RESOLVE_RETRY }).await;
        }
    }

    /// One request asks, the others wait for it; right after a failure nobody asks.
    async fn resolve_for_requests(&self) {
        let mut asked = self.asked.lock().await;
        if self.count() == 0 && asked.is_none_or(|at| at.elapsed() >= RESOLVE_RETRY) {
            self.resolve().await;
            *asked = Some(Instant::now());
        }
    }

    async fn resolve(&self) -> bool {
        let reason = match timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((&*self.host, self.port))).await {
            Ok(Ok(found)) => {
                let found: Vec<_> = found.collect();
                if !found.is_empty() {
                    self.take_over(&found);
                    self.is_failing.store(false, Ordering::Relaxed);
                    return true;
                }
                "no address".to_owned()
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        // Once is enough until it resolves again.
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(host = &*self.host, kept = self.count(), reason, "failed to resolve the target's name");
        }
        false
    }

    /// An address that stays keeps what is known of it.
    fn take_over(&self, found: &[SocketAddr]) {
        let current = self.current.load();
        let known = |socket: &SocketAddr| current.iter().find(|address| address.socket == *socket).cloned();
        let next = found.iter().map(|socket| known(socket).unwrap_or_else(|| Arc::new(Address::new(*socket))));
        self.current.store(Arc::new(next.collect()));
    }
}

impl Address {
    fn new(socket: SocketAddr) -> Self {
        Self { socket, dead_until: ArcSwapOption::empty() }
    }

    fn is_alive(&self) -> bool {
        self.dead_until.load().as_ref().is_none_or(|until| Instant::now() >= **until)
    }
}

/// How long an address is passed over after a connection to it failed.
const DEAD_TIME: Duration = Duration::from_secs(10);
/// How often names are resolved.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// How soon after a failure.
const RESOLVE_RETRY: Duration = Duration::from_secs(2);
/// The time that one resolution may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 80))
    }

    async fn next(addresses: &Addresses) -> u8 {
        match addresses.next().await {
            Some(SocketAddr::V4(address)) => address.ip().octets()[3],
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn dead_addresses_are_passed_over_until_their_time_is_over() {
        let addresses = Addresses::new("host.invalid", 80);
        addresses.take_over(&[socket(1), socket(2), socket(3)]);
        assert_eq!([next(&addresses).await, next(&addresses).await, next(&addresses).await], [1, 2, 3]);
        addresses.mark_dead(&socket(1));
        addresses.mark_dead(&socket(2));
        addresses.take_over(&[socket(2), socket(3), socket(1)]);
        for _ in 0..4 {
            assert_eq!(next(&addresses).await, 3);
        }
        addresses.mark_dead(&socket(3));
        assert!((1..=3).contains(&next(&addresses).await), "all dead: any is tried");
        tokio::time::advance(DEAD_TIME).await;
        let mut seen = [next(&addresses).await, next(&addresses).await, next(&addresses).await];
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
    }

    #[tokio::test]
    async fn an_address_is_its_own_resolution() {
        let addresses = Addresses::new("127.0.0.9", 80);
        assert_eq!(next(&addresses).await, 9);
        addresses.keep_resolved().await;
    }
}
