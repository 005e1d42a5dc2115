//! How the program does when there is much of everything: tokens, routes, connections, first requests; and how it
//! starts, reloads, and goes on without its identity provider.
//!
//! `cargo bench --bench scale -- [SECTION…]`, with the sections that [`SECTIONS`] names; without one all of them, and then
//! the results are written to `benches/results`. The parent is callers, target and identity provider; the proxy is the
//! program itself in a process of its own. Nothing here passes or fails by time.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark ends where it cannot go on")]
#![expect(clippy::indexing_slicing, reason = "lengths are fixed here")]
#![expect(dead_code, reason = "benchmarks share more than each of them uses")]
#![expect(unreachable_pub, reason = "nothing is exported; `pub` marks what other files here use")]

#[path = "scale/cold.rs"]
mod cold;
#[path = "scale/connections.rs"]
mod connections;
#[path = "scale/cost.rs"]
mod cost;
#[path = "scale/crowd.rs"]
mod crowd;
#[path = "common/load.rs"]
mod load;
#[path = "common/machine.rs"]
mod machine;
#[path = "common/message.rs"]
mod message;
#[path = "scale/outage.rs"]
mod outage;
#[path = "scale/program.rs"]
mod program;
#[path = "common/provider.rs"]
mod provider;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "scale/reload.rs"]
mod reload;
#[path = "scale/report.rs"]
mod report;
#[path = "scale/routes.rs"]
mod routes;
#[path = "scale/scene.rs"]
mod scene;
#[path = "scale/start.rs"]
mod start;
#[path = "common/statistics.rs"]
mod statistics;
#[path = "common/system.rs"]
mod system;
#[path = "scale/tokens.rs"]
mod tokens;

use std::path::Path;
use std::time::Duration;

use self::cost::Rounds;
use self::machine::Machine;
use self::report::{Report, Section};
use self::scene::{Plan, Scene};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// In the order of a full run.
const SECTIONS: [&str; 9] =
    ["start", "routes", "connections", "workers", "cold", "crowd", "outage", "reload", "tokens"];

fn main() {
    system::raise_file_limit();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // Without `--bench` (cargo test --benches) it is enough to see that everything works.
    let is_full = arguments.iter().any(|argument| argument == "--bench");
    let chosen: Vec<_> =
        SECTIONS.into_iter().filter(|name| arguments.iter().any(|argument| argument == name)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scene = Scene::new(if is_full { Plan::full() } else { Plan::smoke() }).await;
        let mut report = Report::new(Machine::here());
        for name in if chosen.is_empty() { &SECTIONS[..] } else { &chosen } {
            report.add(run(name, &scene).await);
        }
        if is_full && chosen.is_empty() {
            report.write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results"));
        }
    });
}

async fn run(name: &str, scene: &Scene) -> Section {
    match name {
        "start" => start::measure(scene).await,
        "routes" => routes::measure(scene).await,
        "connections" => connections::measure(scene).await,
        "workers" => connections::workers(scene).await,
        "cold" => cold::measure(scene).await,
        "crowd" => crowd::measure(scene).await,
        "outage" => outage::measure(scene).await,
        "reload" => reload::measure(scene).await,
        "tokens" => tokens::measure(scene).await,
        other => panic!("there is no section {other}"),
    }
}

impl Plan {
    fn full() -> Self {
        Self {
            rounds: Rounds { count: 7, time: Duration::from_secs(1) },
            tokens: 1_000_000,
            routes: 10_000,
            connections: 10_000,
            cold: 2_000,
            crowd: (100, 100),
            repetitions: 11,
        }
    }

    fn smoke() -> Self {
        Self {
            rounds: Rounds { count: 1, time: Duration::from_millis(50) },
            tokens: 1_000,
            routes: 100,
            connections: 100,
            cold: 20,
            crowd: (10, 10),
            repetitions: 1,
        }
    }
}
