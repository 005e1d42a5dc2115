//! What routes to the same target share: its addresses and their health, its connections, and the bound of requests at
//! once. Choosing an address takes no lock.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::destination::Destination;
use super::endpoint::{self, Endpoint};
use super::load::{Load, Permit};
use super::settings::{Balance, TargetSettings};
use super::{peer, probe};
use crate::rejection::Rejection;
use crate::telemetry::{Metrics, TargetMetrics};

/// What routes to the same target share.
#[derive(Debug)]
pub(in crate::proxy) struct Backend {
    settings: TargetSettings,
    /// The value of `Host` that it gets, whichever endpoint is chosen.
    authority: HeaderValue,
    origin: Box<str>,
    endpoints: Box<[Endpoint]>,
    /// The addresses of all endpoints, each once.
    destinations: ArcSwap<Vec<Arc<Destination>>>,
    /// Held while these are put together anew.
    gathering: Mutex<()>,
    turn: AtomicUsize,
    load: Arc<Load>,
    /// Which names have been resolved once, or failed to.
    resolved: watch::Sender<Vec<bool>>,
    /// Held by whoever does the work beside requests, so that it is done once.
    tending: Arc<tokio::sync::Mutex<()>>,
    metrics: Arc<TargetMetrics>,
}

/// The backends of all routes, each once.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Backends {
    each_once: ByPlace,
    /// Those of an earlier configuration, which go on where their settings are the same.
    earlier: ByPlace,
}

/// Backends by the host and port of their first endpoint, so that few have to be compared.
type ByPlace = HashMap<(Box<str>, u16), Vec<Arc<Backend>>>;

impl Backends {
    /// The backends of a configuration that takes the place of the one with these.
    pub(in crate::proxy) fn after(earlier: &Self) -> Self {
        Self { each_once: ByPlace::new(), earlier: earlier.each_once.clone() }
    }

    /// The backend with these settings.
    pub(in crate::proxy) fn backend(&mut self, settings: &TargetSettings, metrics: &Metrics) -> Arc<Backend> {
        let place = (settings.host.clone(), settings.port);
        let known = |backends: &ByPlace| {
            let mut there = backends.get(&place).into_iter().flatten();
            there.find(|backend| backend.settings.is_same_target(settings)).cloned()
        };
        if let Some(ours) = known(&self.each_once) {
            return ours;
        }
        let backend = known(&self.earlier).unwrap_or_else(|| Arc::new(Backend::new(settings.clone(), metrics)));
        self.each_once.entry(place).or_default().push(Arc::clone(&backend));
        backend
    }

    /// Each of them, once all routes have theirs.
    pub(in crate::proxy) fn finish(mut self) -> Self {
        self.earlier = ByPlace::new();
        self
    }

    pub(in crate::proxy) fn iter(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.each_once.values().flatten()
    }
}

impl Backend {
    fn new(settings: TargetSettings, metrics: &Metrics) -> Self {
        let authority = peer::authority(&settings);
        let scheme = if settings.tls { "https" } else { "http" };
        let origin: Box<str> = format!("{scheme}://{}", authority.to_str().unwrap_or_default()).into();
        let endpoints = settings.places().map(|place| {
            let template = peer::template(&settings, &place.host);
            Endpoint::new(place, template)
        });
        let endpoints: Box<[Endpoint]> = endpoints.collect();
        let backend = Self {
            metrics: Arc::new(metrics.target(&origin)),
            authority,
            origin,
            destinations: ArcSwap::default(),
            gathering: Mutex::new(()),
            turn: AtomicUsize::new(0),
            load: Load::new(settings.max_requests),
            resolved: watch::Sender::new(endpoints.iter().map(|endpoint| !endpoint.is_name()).collect()),
            tending: Arc::default(),
            endpoints,
            settings,
        };
        backend.gather();
        backend
    }

    pub(super) fn settings(&self) -> &TargetSettings {
        &self.settings
    }

    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    pub(in crate::proxy) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn metrics(&self) -> &TargetMetrics {
        &self.metrics
    }

    pub(super) fn endpoint(&self, number: usize) -> Option<&Endpoint> {
        self.endpoints.get(number)
    }

    /// The addresses of all endpoints.
    pub(super) fn destinations(&self) -> Arc<Vec<Arc<Destination>>> {
        self.destinations.load_full()
    }

    /// The addresses, whether each is well, and how many requests are under way there.
    pub(in crate::proxy) fn addresses(&self) -> Vec<(SocketAddr, bool, usize)> {
        let all = self.destinations.load();
        all.iter().map(|one| (one.socket, one.is_healthy(), one.under_way())).collect()
    }

    /// How many requests are under way.
    pub(in crate::proxy) fn under_way(&self) -> usize {
        self.load.under_way()
    }

    /// Whether there are addresses.
    pub(in crate::proxy) fn has_addresses(&self) -> bool {
        self.count() > 0
    }

    /// How many addresses there are.
    pub(super) fn count(&self) -> usize {
        self.destinations.load().len()
    }

    /// Whether there is room for one more request; asked before work is done for it.
    ///
    /// # Errors
    /// Where there is none.
    pub(in crate::proxy) fn check_room(&self) -> Result<(), Rejection> {
        if self.load.has_room() { Ok(()) } else { Err(self.refuse()) }
    }

    /// Room for one more request, until the permit is dropped.
    ///
    /// # Errors
    /// Where there is none.
    pub(in crate::proxy) fn enter(&self) -> Result<Permit, Rejection> {
        self.load.enter().ok_or_else(|| self.refuse())
    }

    fn refuse(&self) -> Rejection {
        self.metrics.turned_away();
        Rejection::TargetBusy
    }

    /// Brings the metrics up to date that are not counted as they change.
    pub(in crate::proxy) fn show(&self) {
        self.metrics.under_way(self.load.under_way());
        self.destinations.load().iter().for_each(|destination| destination.show_health());
        if let Some(ours) = &self.settings.client_certificate {
            self.metrics.certificate_ends(ours.ends);
        }
    }

    /// The address for the next request: one that nothing speaks against, and not the one to avoid, where there is such
    /// a one; any where there is none. `None` while no name has ever resolved.
    pub(super) async fn choose(&self, avoided: Option<&Arc<Destination>>) -> Option<Arc<Destination>> {
        if self.count() == 0 {
            self.wait_for_addresses().await;
        }
        let all = self.destinations.load();
        let start = self.start(&all, avoided.is_some()).checked_rem(all.len())?;
        let in_turn = || all.iter().cycle().skip(start).take(all.len());
        let is_other = |one: &&Arc<Destination>| avoided.is_none_or(|avoided| !Arc::ptr_eq(avoided, one));
        in_turn()
            .find(|one| is_other(one) && one.claim())
            .or_else(|| in_turn().find(|one| one.claim()))
            .or_else(|| in_turn().find(is_other))
            .or_else(|| in_turn().next())
            .cloned()
    }

    /// Where the search for an address begins. Another attempt takes the turn of no other request.
    fn start(&self, all: &[Arc<Destination>], is_another_attempt: bool) -> usize {
        match self.settings.balance {
            Balance::RoundRobin if is_another_attempt => self.turn.load(Ordering::Relaxed),
            Balance::RoundRobin => self.turn.fetch_add(1, Ordering::Relaxed),
            Balance::LeastRequests if all.is_empty() => 0,
            Balance::LeastRequests => {
                let [one, other] = [(); 2].map(|()| fastrand::usize(..all.len()));
                let under_way = |number: usize| all.get(number).map_or(usize::MAX, |it| it.under_way());
                if under_way(other) < under_way(one) { other } else { one }
            }
        }
    }

    /// Until the first address is there, or every name has failed to resolve.
    pub(in crate::proxy) async fn wait_for_addresses(&self) {
        let mut resolved = self.resolved.subscribe();
        let is_over = |resolved: &Vec<bool>| self.count() > 0 || resolved.iter().all(|done| *done);
        // Without an answer in time there is no address, which the caller of this sees for itself.
        let _ = timeout(endpoint::RESOLVE_TIMEOUT, resolved.wait_for(is_over)).await;
    }

    /// The name of an endpoint was resolved, or failed to.
    pub(super) fn has_resolved(&self, number: usize, is_new: bool) {
        if is_new {
            self.gather();
        }
        self.resolved.send_modify(|resolved| resolved.iter_mut().skip(number).take(1).for_each(|done| *done = true));
    }

    /// Puts the addresses of all endpoints together. One that stays keeps what is known of it.
    fn gather(&self) {
        let _guard = self.gathering.lock();
        let current = self.destinations.load();
        let mut gathered: Vec<Arc<Destination>> = Vec::new();
        for endpoint in &self.endpoints {
            for socket in endpoint.found() {
                let is_same = |one: &&Arc<Destination>| one.socket == socket && one.peer.sni == endpoint.template.sni;
                if gathered.iter().any(|one| is_same(&one)) {
                    continue;
                }
                let known = current.iter().find(is_same).cloned();
                let new = || Arc::new(Destination::new(socket, &endpoint.template, &self.metrics));
                gathered.push(known.unwrap_or_else(new));
            }
        }
        self.destinations.store(Arc::new(gathered));
    }

    /// The work beside requests: names and health checks. It ends with the backend. Where it is done already, by another
    /// future of this function, it begins when that one is dropped.
    pub(in crate::proxy) fn tend(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let (tending, backend) = (Arc::clone(&self.tending), Arc::downgrade(self));
        async move {
            let _turn = tending.lock().await;
            let mut work = work(&backend);
            while work.join_next().await.is_some() {}
        }
    }
}

fn work(backend: &Weak<Backend>) -> JoinSet<()> {
    let mut work = JoinSet::new();
    let Some(there) = backend.upgrade() else { return work };
    for number in 0..there.endpoints.len() {
        work.spawn(endpoint::keep_resolved(Weak::clone(backend), number, endpoint::look_up));
    }
    if let Some(check) = &there.settings.health_check {
        work.spawn(probe::keep_checked(Weak::clone(backend), check.clone()));
    }
    if let Some(ours) = &there.settings.client_certificate {
        work.spawn(peer::warn_of_end(Weak::clone(backend), ours.ends));
    }
    work
}

#[cfg(test)]
pub(super) mod tests;
