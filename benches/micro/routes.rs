//! Reading a request target, and finding its route among many.

use criterion::{BenchmarkId, Criterion};
use http::Method;
use obo_proxy::route::{Found, HostName, HostPattern, Pattern, RequestTarget, RoutePath, RouteTable};
use std::hint::black_box;

pub fn measure(criterion: &mut Criterion) {
    parsing(criterion);
    looking_up(criterion);
}

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request target");
    for (name, text) in [
        ("plain", "/orders/1?expand=lines"),
        ("long", "/api/v2/customers/0d2b8a5c-6f1e-4c3a-9b7d-1e2f3a4b5c6d/orders/17/lines?expand=sku,price&top=100"),
        ("encoded", "/files/r%C3%A9sum%C3%A9%20of%20June.pdf"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| RequestTarget::parse(black_box(text.as_bytes())).is_ok());
        });
    }
    group.finish();
}

/// Requests come for all routes in turn, so that the table is not in the nearest cache of the processor when it is large.
fn looking_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route look-up");
    for routes in [10, 1_000, 10_000] {
        let table = table(routes, |_| Vec::new());
        let texts: Vec<_> = (0..routes).map(|route| format!("{}/items/17", path(route))).collect();
        let targets: Vec<_> = shuffled(&texts).map(|text| RequestTarget::parse(text.as_bytes()).unwrap()).collect();
        group.bench_function(BenchmarkId::new("one host", routes), |bencher| {
            let mut turn = targets.iter().cycle();
            bencher.iter(|| find(&table, None, turn.next().unwrap()));
        });
    }
    let routes = 10_000;
    let table = table(routes, |route| vec![HostPattern::parse(&host(route)).unwrap()]);
    let texts: Vec<_> = (0..routes).map(|route| (host(route), format!("{}/items/17", path(route)))).collect();
    let read = |(host, path): &'static (String, String)| {
        (HostName::parse(host.as_bytes()).unwrap(), RequestTarget::parse(path.as_bytes()).unwrap())
    };
    let targets: Vec<_> = shuffled(texts.leak()).map(read).collect();
    group.bench_function(BenchmarkId::new("1,000 hosts", routes), |bencher| {
        let mut turn = targets.iter().cycle();
        bencher.iter(|| {
            let (host, target) = turn.next().unwrap();
            find(&table, Some(host), target)
        });
    });
    group.finish();
}

fn find(table: &RouteTable<usize>, host: Option<&HostName<'_>>, target: &RequestTarget<'_>) -> usize {
    match table.find_target(host, target, &Method::GET) {
        Ok(Found::Route(hit)) => *hit.route,
        _ => unreachable!("every target has a route"),
    }
}

fn table(routes: usize, hosts: impl Fn(usize) -> Vec<HostPattern>) -> RouteTable<usize> {
    let pattern = |route| Pattern {
        hosts: hosts(route),
        path: RoutePath::prefix(&path(route)).unwrap(),
        methods: Vec::new(),
        encoded_slashes: false,
    };
    RouteTable::build((0..routes).map(|route| (pattern(route), route))).unwrap()
}

/// A hundred services with a hundred resources each.
fn path(route: usize) -> String {
    format!("/api/service-{:02}/resource-{:02}", route / 100, route % 100)
}

fn host(route: usize) -> String {
    format!("api-{:03}.contoso.com", route % 1_000)
}

/// In an order that no processor guesses.
fn shuffled<T>(items: &[T]) -> impl Iterator<Item = &T> {
    let mut order: Vec<_> = items.iter().collect();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    order.into_iter()
}
