//! The program under load that lasts: change under load, a crowd of useless connections, and mixed load with a million
//! distinct tokens. Fails where a request fails or is served as somebody else's, and where memory or descriptors grow.
//!
//! `cargo bench --bench soak -- [change|crowd|mixed] [MINUTES]`; without a phase all of them. `change` ends when all is
//! done, and does less of it in less than a minute. Everything is on loopback:
//! the program is a child process of this very binary, the parent is callers, target and identity provider. Every
//! answer is held against the caller that it is for.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::exit, reason = "a benchmark ends where it cannot go on")]
#![expect(clippy::indexing_slicing, reason = "lengths are fixed here")]
#![expect(unreachable_pub, reason = "nothing is exported; `pub` marks what other files here use")]

#[path = "soak/caller.rs"]
mod caller;
#[path = "soak/certificates.rs"]
mod certificates;
#[path = "soak/change.rs"]
mod change;
#[path = "soak/crowd.rs"]
mod crowd;
#[path = "common/message.rs"]
mod message;
#[path = "soak/mixed.rs"]
mod mixed;
#[path = "common/program.rs"]
mod program;
#[path = "common/provider.rs"]
mod provider;
#[path = "soak/proxy.rs"]
mod proxy;
#[path = "soak/series.rs"]
mod series;
#[path = "common/system.rs"]
mod system;
#[path = "soak/tally.rs"]
mod tally;
#[path = "soak/target.rs"]
mod target;

use std::time::Duration;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", configuration] => program::run(configuration),
        [] => all(1.0, &["change", "crowd", "mixed"]),
        [phase] => all(1.0, &[phase]),
        [phase, minutes] => all(minutes.parse().unwrap_or_else(|_| panic!("{minutes} is no number")), &[phase]),
        _ => panic!("soak [change|crowd|mixed] [MINUTES]"),
    }
}

fn all(minutes: f64, phases: &[&str]) {
    system::raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut well = true;
    for phase in phases {
        let went = runtime.block_on(run(phase, Duration::from_secs_f64(minutes * 60.0)));
        println!("  {phase}: {}", if went { "well" } else { "NOT WELL" });
        well &= went;
    }
    std::process::exit(i32::from(!well));
}

async fn run(phase: &str, time: Duration) -> bool {
    match phase {
        "change" => {
            // As many changes as take about three minutes, or a share of them.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small positive numbers")]
            let share = |of: f64| (of * (time.as_secs_f64() / 60.0).min(1.0)).ceil() as u32;
            let plan = change::Plan {
                reloads: share(50.0),
                successions: share(5.0),
                certificates: share(20.0),
                restarts: share(10.0),
                callers: 300,
                pause: Duration::from_millis(100),
            };
            change::run(&plan).await
        }
        "crowd" => {
            let plan = crowd::Plan { idle: 10_000, dripping: 1_000, callers: 20, time: CROWDED };
            crowd::run(&plan).await
        }
        "mixed" => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of minutes")]
            let tokens = (time.as_secs_f64() * TOKENS_A_SECOND) as u64;
            mixed::run(&mixed::Plan { time, tokens, regulars: 200, sockets: 50 }).await
        }
        other => panic!("there is no phase {other}"),
    }
}

/// Longer than a caller may take for its header section (`limits.header_timeout`), and shorter than it may be idle.
const CROWDED: Duration = Duration::from_secs(30);

/// A million in half an hour.
const TOKENS_A_SECOND: f64 = 1_000_000.0 / 1_800.0;
