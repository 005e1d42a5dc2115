//! What the proxy costs beyond forwarding: warm and cold requests and a thundering herd, next to a bare Pingora proxy
//! built with the same flags and the same allocator, in the same run.
//!
//! The parent is load generator, target and identity provider, all on one thread; each proxy is a child process of this
//! very binary. Rounds are interleaved (bare, obo, quiet, bare, …), and what counts is the CPU time of the child as the
//! kernel accounts for it, so that neighbours on the machine disturb little. Nothing here passes or fails by time.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark ends where it cannot go on")]
#![expect(clippy::indexing_slicing, reason = "lengths are fixed here")]
#![expect(dead_code, reason = "benchmarks share more than each of them uses")]
#![expect(unreachable_pub, reason = "nothing is exported; `pub` marks what other files here use")]

#[path = "common/bare.rs"]
mod bare;
#[path = "common/load.rs"]
mod load;
#[path = "warm/process.rs"]
mod process;
#[path = "common/program.rs"]
mod program;
#[path = "warm/report.rs"]
mod report;
#[path = "common/system.rs"]
mod system;

use std::time::{Duration, Instant};

use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest};

use self::load::{Caller, Target, request};
use self::process::Proxy;
use self::report::Round;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
struct Plan {
    rounds: usize,
    round: Duration,
    cold: usize,
    herd: usize,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", "bare", address, target] => bare::serve(address, target),
        ["--serve", "obo", configuration] => program::run(configuration),
        _ => {
            system::raise_file_limit();
            // Without `--bench` (cargo test --benches) it is enough to see that everything works.
            let plan = if arguments.iter().any(|argument| argument == "--bench") {
                Plan { rounds: 9, round: Duration::from_secs(1), cold: 400, herd: 1_000 }
            } else {
                Plan { rounds: 1, round: Duration::from_millis(100), cold: 20, herd: 50 }
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(measure(&plan));
        }
    }
}

async fn measure(plan: &Plan) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let emulator = Emulator::start(listener, EmulatorOptions::default()).await.unwrap();
    let target = Target::start().await;
    let token = realistic_token(&emulator, "warm");
    println!("workers of a proxy: {}; {} connections, token A of {} bytes", bare::WORKERS, CONNECTIONS, token.len());
    println!("access log: one JSON line a request into a pipe that the parent drains; quiet: log.level error\n");
    let proxies = [
        ("bare", Proxy::bare(&target.address)),
        ("obo", Proxy::obo(emulator.url(), &target.address, "info")),
        ("obo, quiet", Proxy::obo(emulator.url(), &target.address, "error")),
    ];
    warm(plan, &proxies, &request(&token)).await;
    let memory = proxies.each_ref().map(|(name, proxy)| format!("{name} {:.1} MiB", proxy.peak_memory_mib()));
    println!("peak memory: {}", memory.join(", "));
    cold(plan, &proxies[1].1, &emulator).await;
    herd(plan, &proxies[1].1, &emulator).await;
    println!("peak memory after that: obo {:.1} MiB", proxies[1].1.peak_memory_mib());
}

async fn warm(plan: &Plan, proxies: &[(&str, Proxy)], request: &[u8]) {
    let mut rounds: Vec<Vec<Round>> = proxies.iter().map(|_| Vec::new()).collect();
    let mut callers = Vec::new();
    for (_, proxy) in proxies {
        proxy.wait_until_served(request).await;
        let mut connections = load::connect(&proxy.address, CONNECTIONS).await;
        load::run_for(&mut connections, request, plan.round / 2).await;
        callers.push(connections);
    }
    for _ in 0..plan.rounds {
        for ((rounds, callers), (_, proxy)) in rounds.iter_mut().zip(&mut callers).zip(proxies) {
            let (cpu, started) = (proxy.cpu(), Instant::now());
            let latencies = load::run_for(callers, request, plan.round).await;
            let took = started.elapsed();
            rounds.push(Round { cpu: proxy.cpu().saturating_sub(cpu), took, latencies });
        }
    }
    println!("warm: the caller and token B are known");
    report::head();
    let baseline = report::median_cpu(&rounds[0]);
    for ((name, _), rounds) in proxies.iter().zip(&rounds) {
        report::row(name, rounds, Some(baseline));
    }
}

async fn cold(plan: &Plan, proxy: &Proxy, emulator: &Emulator) {
    let mut callers = load::connect(&proxy.address, CONNECTIONS).await;
    let exchanged = emulator.counters().exchanged();
    let mut rounds = Vec::new();
    for round in 0..3 {
        let requests: Vec<_> =
            (0..plan.cold).map(|turn| request(&realistic_token(emulator, &format!("cold-{round}-{turn}")))).collect();
        let (cpu, started) = (proxy.cpu(), Instant::now());
        let latencies = load::run_each(&mut callers, &requests).await;
        let took = started.elapsed();
        rounds.push(Round { cpu: proxy.cpu().saturating_sub(cpu), took, latencies });
    }
    let exchanged = emulator.counters().exchanged() - exchanged;
    assert_eq!(exchanged, 3 * plan.cold as u64, "exchanges of cold requests");
    println!("\ncold: each request with a new token A, verified and exchanged (requests/s is that of the emulator)");
    report::head();
    report::row("obo", &rounds, None);
}

async fn herd(plan: &Plan, proxy: &Proxy, emulator: &Emulator) {
    let request = request(&realistic_token(emulator, "herd"));
    let mut callers: Vec<Caller> = load::connect(&proxy.address, plan.herd).await;
    let exchanged = emulator.counters().token;
    let (cpu, started) = (proxy.cpu(), Instant::now());
    let requests = vec![request; plan.herd];
    let latencies = load::run_each(&mut callers, &requests).await;
    let (took, cpu) = (started.elapsed(), proxy.cpu().saturating_sub(cpu));
    let exchanged = emulator.counters().token - exchanged;
    assert_eq!(exchanged, 1, "exchanges of a thundering herd");
    println!(
        "\nherd: {} first requests at once, {exchanged} exchange, all served after {:.0} ms, {:.1} ms of CPU",
        latencies.len(),
        took.as_secs_f64() * 1e3,
        cpu.as_secs_f64() * 1e3
    );
}

/// A token of the size that Entra issues for a user with a few groups.
fn realistic_token(emulator: &Emulator, user: &str) -> String {
    let mut wish = TokenRequest::default().user(user);
    let groups = ["0d2b8a5c-6f1e-4c3a-9b7d-1e2f3a4b5c6d", "5e6f7a8b-9c0d-4e1f-8a2b-3c4d5e6f7a8b"];
    wish.claims.insert("groups".to_owned(), groups.to_vec().into());
    wish.claims.insert("rh".to_owned(), "0.AAAAZGVmYXVsdC10ZW5hbnQtcmVmcmVzaC1oYW5kbGU.".into());
    emulator.mint(&wish)
}

/// Callers at once in the warm and cold rounds.
const CONNECTIONS: usize = 8;
