//! Guards what a warm request allocates: counted in the program and in a Pingora proxy that only forwards, with the same
//! time-outs; the difference is our own. A binary of its own because it counts by its global allocator, and without the test harness
//! because its children are this very binary.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test prints its verdict, a child its counts")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where it cannot go on")]
#![expect(clippy::indexing_slicing, reason = "lengths are fixed here")]
#![expect(unreachable_pub, reason = "nothing is exported; `pub` marks what other files here use")]
#![expect(dead_code, reason = "benchmarks use more of what is shared with them")]

#[path = "../../benches/common/bare.rs"]
mod bare;
#[path = "../../benches/common/configuration.rs"]
mod configuration;
mod counted;
#[path = "../../benches/common/load.rs"]
mod load;
#[path = "../../benches/common/program.rs"]
mod program;
#[path = "../../benches/common/system.rs"]
mod system;
#[path = "../../benches/common/token.rs"]
mod token;

use std::alloc::System;

use obo_proxy::emulator::{Emulator, EmulatorOptions};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use self::counted::{Counted, Counts};
use self::load::{Caller, Target};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The most that our own code may allocate for a warm request, with everything on. Today it is less than two, and up to
/// one more beside requests where they are slow.
const LIMIT: f64 = 3.0;

/// In each window; enough that what happens beside requests (timers, the writer of the log) is lost in rounding.
const REQUESTS: u32 = 500;
const WINDOWS: u32 = 4;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", "bare", address, target] => {
            counted::answer_on_standard_error(ALLOCATOR);
            bare::serve_with_timeouts(address, target);
        }
        ["--serve", "obo", configuration] => {
            counted::answer_on_standard_error(ALLOCATOR);
            program::run(configuration);
        }
        _ if arguments.iter().any(|argument| argument == "--list") => println!("{NAME}: test"),
        _ if !is_wanted(&arguments) => println!("{NAME} is not wanted"),
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(guard());
        }
    }
}

/// As the test harness understands words on the command line: parts of names.
fn is_wanted(arguments: &[String]) -> bool {
    let mut words = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| NAME.contains(word.as_str()))
}

async fn guard() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let emulator = Emulator::start(listener, EmulatorOptions::default()).await.unwrap();
    let target = Target::start().await;
    let request = load::request(&token::realistic(&emulator, "warm"));
    let bare = per_request(Counted::bare(&target.address), &request).await;
    let everything = |listen: &str| configuration::everything(listen, emulator.url(), &target.address);
    let obo = per_request(Counted::obo(everything), &request).await;
    let own = obo.calls - bare.calls;
    println!(
        "allocations of a warm request: bare {:.2}, obo {:.2}, own {own:.2} (limit {LIMIT})",
        bare.calls, obo.calls
    );
    println!("bytes: bare {:.0}, obo {:.0}, own {:.0}", bare.bytes, obo.bytes, obo.bytes - bare.bytes);
    assert!(own.round() <= LIMIT, "{NAME}: {own:.2} allocations of our own, and {LIMIT} are the limit");
    println!("test {NAME} ... ok");
}

/// After the first `REQUESTS`, by which buffers and tables have their size: the least of some windows of as many more. What
/// happens beside requests only adds to a window, more of it where the machine is busy.
async fn per_request(mut proxy: Counted, request: &[u8]) -> Counts {
    let mut caller = proxy.caller(request).await;
    call(&mut caller, request, REQUESTS).await;
    let mut least = Counts { calls: f64::INFINITY, bytes: f64::INFINITY };
    for _ in 0..WINDOWS {
        let before = proxy.counts();
        call(&mut caller, request, REQUESTS).await;
        let window = proxy.counts().since(before, REQUESTS);
        least = if window.calls < least.calls { window } else { least };
    }
    least
}

async fn call(caller: &mut Caller, request: &[u8], count: u32) {
    for _ in 0..count {
        caller.call(request).await;
    }
}

const NAME: &str = "a_warm_request_allocates_little_more_than_pingora";
