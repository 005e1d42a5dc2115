//! Which address a request goes to, and where addresses come from.

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
