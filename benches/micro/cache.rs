//! Looking something up in a cache, while every core does.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use obo_proxy::cache::BoundedCache;
use obo_proxy::digest::Digest;

type Cache = BoundedCache<Digest, Arc<str>>;

pub fn measure(criterion: &mut Criterion) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut group = criterion.benchmark_group("cache look-up");
    for keys in [1, 1_000, 1_000_000] {
        let cache: Arc<Cache> = Arc::new(BoundedCache::new(keys));
        let digests: Arc<[Digest]> = (0..keys as u64).map(|n| Digest::of(&n.to_be_bytes())).collect();
        let ends = tokio::time::Instant::now() + Duration::from_hours(1);
        for digest in &*digests {
            cache.insert(*digest, "b".into(), ends);
        }
        for threads in [1, cores] {
            let name = format!("{keys} keys");
            group.bench_function(BenchmarkId::new(name, format!("{threads} threads")), |bencher| {
                bencher.iter_custom(|count| look_up(&cache, &digests, threads, count));
            });
        }
    }
    group.finish();
}

/// Each thread looks up `count` times; how long the slowest of them takes.
fn look_up(cache: &Arc<Cache>, digests: &Arc<[Digest]>, threads: usize, count: u64) -> Duration {
    let start = Arc::new(Barrier::new(threads));
    let spawn = |seed: usize| {
        let (cache, digests, start) = (Arc::clone(cache), Arc::clone(digests), Arc::clone(&start));
        thread::spawn(move || {
            let mut random = fastrand::Rng::with_seed(seed as u64);
            start.wait();
            let started = Instant::now();
            for _ in 0..count {
                assert!(cache.find(&digests[random.usize(..digests.len())]).is_some());
            }
            started.elapsed()
        })
    };
    let running: Vec<_> = (0..threads).map(spawn).collect();
    running.into_iter().map(|thread| thread.join().unwrap()).max().unwrap_or_default()
}
