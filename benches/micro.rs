//! What the parts of a decision cost by themselves, in one process and without a network.
//!
//! `cargo bench --bench micro -- [FILTER]`; the figures of earlier runs are below the target directory, and criterion
//! compares with them. The goal for a look-up among 10,000 routes is 1 µs.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark ends where it cannot go on")]
#![expect(unreachable_pub, reason = "nothing is exported; `pub` marks what other files here use")]

#[path = "micro/bearer.rs"]
mod bearer;
#[path = "micro/cache.rs"]
mod cache;
#[path = "micro/rejection.rs"]
mod rejection;
#[path = "micro/routes.rs"]
mod routes;
#[path = "micro/setting.rs"]
mod setting;
#[path = "common/token.rs"]
mod token;
#[path = "micro/verification.rs"]
mod verification;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = routes::measure, bearer::measure, verification::measure, cache::measure, rejection::measure
}
criterion_main!(benches);
