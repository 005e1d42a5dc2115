//! How many instructions of user code a warm request takes, next to a bare Pingora proxy, and in which functions:
//! counted by callgrind, so that a busy machine changes nothing.
//!
//! `cargo bench --bench instructions -- [--profile] [REQUESTS]`. Each proxy is this very binary under valgrind, with one
//! worker thread; a window of so many requests over one kept connection is counted three times. What the kernel does is
//! not counted. `--profile` keeps the files of callgrind, and prints inclusive costs and who takes memory as well.
//!
//! Valgrind's processor has no SHA instructions, so that the SHA-256 of token A is counted for more than it costs on one
//! that has them: that part is told apart.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark ends where it cannot go on")]
#![expect(clippy::indexing_slicing, reason = "lengths are fixed here")]
#![expect(dead_code, reason = "benchmarks share more than each of them uses")]
#![expect(unreachable_pub, reason = "nothing is exported; `pub` marks what other files here use")]

#[path = "common/bare.rs"]
mod bare;
#[path = "instructions/callgrind.rs"]
mod callgrind;
#[path = "common/configuration.rs"]
mod configuration;
#[path = "common/load.rs"]
mod load;
#[path = "common/program.rs"]
mod program;
#[path = "common/proxy.rs"]
mod proxy;
#[path = "common/system.rs"]
mod system;
#[path = "instructions/table.rs"]
mod table;
#[path = "common/token.rs"]
mod token;

use obo_proxy::emulator::{Emulator, EmulatorOptions};

use self::callgrind::Window;
use self::load::{Caller, Target};
use self::proxy::Proxy;
use self::table::Table;

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
struct Plan {
    requests: usize,
    windows: usize,
    profile: bool,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", "bare", address, target] => bare::serve(address, target),
        ["--serve", "obo", configuration] => program::run(configuration),
        _ if !callgrind::is_installed() => println!("instructions: not counted, valgrind is not installed"),
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(measure(&Plan::of(&arguments)));
        }
    }
}

impl Plan {
    /// Without `--bench` (cargo test --benches) it is enough to see that everything works.
    fn of(arguments: &[String]) -> Self {
        let (requests, windows) =
            if arguments.iter().any(|argument| argument == "--bench") { (1_000, 3) } else { (20, 1) };
        let chosen = arguments.iter().find_map(|argument| argument.parse().ok());
        let profile = arguments.iter().any(|argument| argument == "--profile");
        Self { requests: chosen.unwrap_or(requests), windows, profile }
    }
}

async fn measure(plan: &Plan) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let emulator = Emulator::start(listener, EmulatorOptions::default()).await.unwrap();
    let target = Target::start().await;
    let token = token::realistic(&emulator, "warm");
    let request = load::request(&token);
    let directory = callgrind::directory();
    let tool = |name: &str| callgrind::wrapper(&directory, name);
    println!("{} warm requests a window, token A of {} bytes, one worker thread", plan.requests, token.len());
    let proxy = Proxy::bare(&tool("bare"), &target.address);
    let bare = windows(plan, proxy, &request, |process, turn| callgrind::end(process, &directory, "bare", turn)).await;
    let everything = |listen: &str| configuration::everything(listen, emulator.url(), &target.address);
    let proxy = Proxy::obo(&tool("obo"), "everything.yaml", everything);
    let obo = windows(plan, proxy, &request, |process, turn| callgrind::end(process, &directory, "obo", turn)).await;
    let table = Table { requests: plan.requests, bare, obo };
    table.totals();
    table.digests();
    table.functions();
    if plan.profile {
        table.inclusive();
        table.allocations();
        println!("\nthe files of callgrind are in {}", directory.display());
    } else {
        std::fs::remove_dir_all(directory).unwrap();
    }
}

/// Counts windows of warm requests over one connection; the costs of the process's start are before them.
async fn windows(plan: &Plan, proxy: Proxy, request: &[u8], end: impl Fn(u32, usize) -> Window) -> Vec<Window> {
    proxy.wait_until_served(request).await;
    let mut callers = load::connect(&proxy.address, 1).await;
    let mut windows = Vec::new();
    call(&mut callers[0], request, WARMING_UP).await;
    for turn in 1..=plan.windows {
        callgrind::begin(proxy.id());
        call(&mut callers[0], request, plan.requests).await;
        windows.push(end(proxy.id(), turn));
    }
    windows
}

async fn call(caller: &mut Caller, request: &[u8], count: usize) {
    for _ in 0..count {
        caller.call(request).await;
    }
}

/// Requests before the first window: connections are open, buffers and tables have their size.
const WARMING_UP: usize = 50;
