//! What routes to the same target share: its addresses and their health, its connections, and the bound of requests at
//! once. Choosing an address takes no lock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::destination::{Destination, now};
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
#[derive(Debug, Default, Clone)]
pub(in crate::proxy) struct Backends {
    each_once: Vec<Arc<Backend>>,
    /// Those of an earlier configuration, which go on where their settings are the same.
    earlier: Vec<Arc<Backend>>,
}

impl Backends {
    /// The backends of a configuration that takes the place of the one with these.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reload of the configuration"))]
    pub(in crate::proxy) fn after(earlier: &Self) -> Self {
        Self { each_once: Vec::new(), earlier: earlier.each_once.clone() }
    }

    /// The backend with these settings.
    pub(in crate::proxy) fn backend(&mut self, settings: &TargetSettings, metrics: &Metrics) -> Arc<Backend> {
        let mut known = self.each_once.iter().chain(&self.earlier);
        let known = known.find(|backend| backend.settings.is_same_target(settings)).cloned();
        let backend = known.unwrap_or_else(|| Arc::new(Backend::new(settings.clone(), metrics)));
        if !self.each_once.iter().any(|other| Arc::ptr_eq(other, &backend)) {
            self.each_once.push(Arc::clone(&backend));
        }
        backend
    }

    /// Each of them, once all routes have theirs.
    pub(in crate::proxy) fn finish(mut self) -> Self {
        self.earlier = Vec::new();
        self
    }

    pub(in crate::proxy) fn iter(&self) -> impl Iterator<Item = &Arc<Backend>> {
        self.each_once.iter()
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

    pub(super) fn origin(&self) -> &str {
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
        let now = now();
        in_turn()
            .find(|one| is_other(one) && one.claim(now))
            .or_else(|| in_turn().find(|one| one.claim(now)))
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
    async fn wait_for_addresses(&self) {
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
pub(super) mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::net::SocketAddr;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use super::*;
    use crate::proxy::target::destination::FIRST_PAUSE;
    use crate::proxy::target::settings::EndpointSettings;

    /// A target with a name.
    pub(in crate::proxy::target) fn settings() -> TargetSettings {
        TargetSettings {
            tls: false,
            host: "host.invalid".into(),
            port: 80,
            path: "/".into(),
            endpoints: Vec::new(),
            balance: Balance::RoundRobin,
            connect_timeout: Duration::from_secs(1),
            first_byte_timeout: None,
            read_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            timeout: None,
            retries: 1,
            max_requests: 10,
            health_check: None,
            http2: false,
            ca: None,
            client_certificate: None,
            server_name: None,
        }
    }

    fn backend(settings: &TargetSettings) -> Arc<Backend> {
        Backends::default().backend(settings, &Metrics::new().unwrap())
    }

    /// A target at these addresses.
    fn at(last: &[u8], balance: Balance) -> Arc<Backend> {
        let places = last.iter().map(|last| EndpointSettings { host: socket(*last).ip().to_string().into(), port: 80 });
        let mut places: VecDeque<_> = places.collect();
        let first = places.pop_front().unwrap();
        backend(&TargetSettings { host: first.host, endpoints: places.into(), balance, ..settings() })
    }

    pub(in crate::proxy::target) fn destination(last: u8) -> Arc<Destination> {
        Arc::clone(&at(&[last], Balance::RoundRobin).destinations()[0])
    }

    fn socket(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 80))
    }

    async fn next(backend: &Backend) -> u8 {
        last(&backend.choose(None).await.unwrap())
    }

    fn last(destination: &Destination) -> u8 {
        match destination.socket {
            SocketAddr::V4(address) => address.ip().octets()[3],
            SocketAddr::V6(_) => panic!("{destination:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_are_taken_in_turn_and_failing_ones_passed_over() {
        let backend = at(&[1, 2, 3], Balance::RoundRobin);
        assert_eq!([next(&backend).await, next(&backend).await, next(&backend).await], [1, 2, 3]);
        let all = backend.destinations();
        all[0].has_refused("refused");
        all[1].has_refused("refused");
        for _ in 0..4 {
            assert_eq!(next(&backend).await, 3);
        }
        all[2].has_refused("refused");
        assert!((1..=3).contains(&next(&backend).await), "all fail: any is tried");
        tokio::time::advance(FIRST_PAUSE).await;
        all.iter().for_each(|one| one.has_answered());
        let mut seen = [next(&backend).await, next(&backend).await, next(&backend).await];
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
    }

    #[tokio::test]
    async fn an_address_that_fails_its_health_check_is_passed_over_while_another_one_does_not() {
        let backend = at(&[1, 2], Balance::RoundRobin);
        let all = backend.destinations();
        all[0].set_unwell(true);
        assert_eq!([next(&backend).await, next(&backend).await], [2, 2]);
        all[1].set_unwell(true);
        let mut seen = [next(&backend).await, next(&backend).await];
        seen.sort_unstable();
        assert_eq!(seen, [1, 2], "all fail: any is tried");
    }

    #[tokio::test]
    async fn another_attempt_goes_to_another_address() {
        let backend = at(&[1, 2], Balance::RoundRobin);
        let one = backend.choose(None).await.unwrap();
        for _ in 0..3 {
            assert_ne!(last(&backend.choose(Some(&one)).await.unwrap()), last(&one));
        }
        let alone = at(&[1], Balance::RoundRobin);
        let only = alone.choose(None).await.unwrap();
        assert_eq!(last(&alone.choose(Some(&only)).await.unwrap()), 1);
    }

    #[tokio::test]
    async fn least_requests_leaves_an_address_alone_that_is_busy() {
        use crate::proxy::target::destination::Visit;
        let backend = at(&[1, 2], Balance::LeastRequests);
        let busy = Arc::clone(&backend.destinations()[0]);
        let _visits: Vec<_> = (0..100).map(|_| Visit::to(Arc::clone(&busy))).collect();
        let mut counts = [0, 0];
        for _ in 0..400 {
            counts[usize::from(next(&backend).await) - 1] += 1;
        }
        // Only where both of two at random are the busy one.
        assert!(counts[0] > 0 && counts[0] < 200, "{counts:?}");
    }

    #[test]
    fn the_same_target_is_one_whatever_the_path() {
        let metrics = Metrics::new().unwrap();
        let mut backends = Backends::default();
        let one = backends.backend(&settings(), &metrics);
        let path = TargetSettings { path: "/other".into(), ..settings() };
        assert!(Arc::ptr_eq(&one, &backends.backend(&path, &metrics)));
        let other = TargetSettings { retries: 0, ..settings() };
        assert!(!Arc::ptr_eq(&one, &backends.backend(&other, &metrics)));
        let mut later = Backends::after(&backends.finish());
        assert!(Arc::ptr_eq(&one, &later.backend(&settings(), &metrics)));
        assert_eq!(later.finish().iter().count(), 1);
    }

    /// A resolver that answers as it is told, and counts.
    fn resolver(
        answers: &[Option<&[u8]>],
    ) -> (Arc<AtomicU32>, impl Fn(EndpointSettings) -> std::future::Ready<io::Result<Vec<SocketAddr>>> + use<>) {
        let asked = Arc::new(AtomicU32::new(0));
        let answers: Vec<Option<Vec<u8>>> = answers.iter().map(|answer| answer.map(<[u8]>::to_vec)).collect();
        let counted = Arc::clone(&asked);
        let look_up = move |_| {
            let turn = usize::try_from(counted.fetch_add(1, Ordering::SeqCst)).unwrap();
            let answer = &answers[turn.min(answers.len() - 1)];
            let found = answer.as_ref().map(|found| found.iter().map(|last| socket(*last)).collect());
            std::future::ready(found.ok_or_else(|| io::Error::other("no such name")))
        };
        (asked, look_up)
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_request_waits_for_the_first_resolution_and_later_ones_follow_the_name() {
        let backend = backend(&settings());
        let (_, look_up) = resolver(&[Some(&[1]), None, Some(&[2])]);
        tokio::spawn(endpoint::keep_resolved(Arc::downgrade(&backend), 0, look_up));
        assert_eq!(next(&backend).await, 1);
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(next(&backend).await, 1, "a failed resolution keeps the last addresses");
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_eq!(next(&backend).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn requests_to_a_name_that_does_not_resolve_fail_at_once_until_it_does() {
        let backend = backend(&settings());
        let (_, look_up) = resolver(&[None, Some(&[1])]);
        tokio::spawn(endpoint::keep_resolved(Arc::downgrade(&backend), 0, look_up));
        assert!(backend.choose(None).await.is_none());
        let began = tokio::time::Instant::now();
        assert!(backend.choose(None).await.is_none());
        assert_eq!(began.elapsed(), Duration::ZERO);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(next(&backend).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_hangs_is_asked_once_and_holds_requests_up_for_five_seconds_at_most() {
        let backend = backend(&settings());
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let look_up = move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        };
        tokio::spawn(endpoint::keep_resolved(Arc::downgrade(&backend), 0, look_up));
        let began = tokio::time::Instant::now();
        assert!(backend.choose(None).await.is_none());
        assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_work_beside_requests_is_done_once_and_ends_with_the_backend() {
        let backend = backend(&TargetSettings { host: "127.0.0.1".into(), ..settings() });
        let (first, second) = (tokio::spawn(backend.tend()), tokio::spawn(backend.tend()));
        drop(backend);
        first.await.unwrap();
        second.await.unwrap();
    }

    #[tokio::test]
    async fn an_address_is_its_own_resolution_and_stands_once() {
        let endpoints = vec![EndpointSettings { host: "127.0.0.9".into(), port: 80 }];
        let backend = backend(&TargetSettings { host: "127.0.0.9".into(), endpoints, ..settings() });
        assert_eq!((next(&backend).await, backend.count()), (9, 1));
    }
}
