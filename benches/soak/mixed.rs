//! Mixed load for a long time, with a new token again and again: does memory stay where it is?
#![expect(clippy::cast_precision_loss, reason = "numbers of tokens are far below 2^52")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::caller::{Caller, Door, Due, Wish};
use super::provider::{Provider, STEP_UP};
use super::proxy::{self, Proxy};
use super::series::{Sample, Series};
use super::system::{address, reserve};
use super::tally::Tally;
use super::target::Target;

/// How much of it.
pub struct Plan {
    pub time: Duration,
    /// Distinct tokens in all that time.
    pub tokens: u64,
    /// Callers that come back.
    pub regulars: usize,
    pub sockets: usize,
}

/// What all callers know.
struct Scene {
    door: Door,
    provider: Provider,
    tally: Tally,
    tokens: AtomicU64,
    end: Instant,
}

pub async fn run(plan: &Plan) -> bool {
    let (provider, target, port) = (Provider::start().await, Target::start(), reserve());
    let directory = proxy::directory("mixed");
    let configuration = format!(
        "listen: [{{address: '{}'}}]\n{}routes:\n  - {{path: /orders, target: 'http://{}', scopes: [api://orders/x]}}\n",
        address(&port),
        proxy::identity(&provider),
        target.address()
    );
    println!(
        "\nmixed: {:.0} s, {} distinct tokens, {} regulars (reads, writes, large bodies, refusals), {} WebSockets; \
         cache.max_entries is the default",
        plan.time.as_secs_f64(),
        plan.tokens,
        plan.regulars,
        plan.sockets
    );
    let proxy = Proxy::start(&directory, &configuration, &address(&port)).await;
    let door = Door { address: address(&port), tls: None };
    wait_until_ready(&door, &provider).await;
    let (tally, started) = (Tally::default(), Instant::now());
    let scene = Arc::new(Scene { door, provider, tally, tokens: AtomicU64::new(0), end: started + plan.time });
    let callers = callers(plan, &scene);
    let series = watch(plan, &scene, &proxy, started).await;
    for caller in callers {
        caller.await.unwrap();
    }
    let exchanges = scene.provider.exchanges();
    let tokens = scene.tokens.load(Ordering::Relaxed);
    let served = scene.tally.verdict("mixed", started.elapsed(), target.requests().1);
    println!("  {tokens} distinct tokens, {exchanges} exchanges");
    series.write(&directory.join("mixed.csv"));
    // Caches fill, and then their tables double once, each at a moment of its own, while entries come and go: a table that
    // is more than half full makes room for what was deleted by growing. Nothing may grow after that.
    series.verdict(plan.time * 2 / 3) && served
}

/// The keys of the provider are there, and a request was served.
pub async fn wait_until_ready(door: &Door, provider: &Provider) {
    for _ in 0..200 {
        let tally = Tally::default();
        let mut caller = Caller::new(door, "first", provider.mint("first"));
        caller.ask("/orders/1", Wish::Get(""), &Due::Own(0), &tally).await;
        if tally.served_so_far() == 1 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("never ready");
}

fn callers(plan: &Plan, scene: &Arc<Scene>) -> Vec<tokio::task::JoinHandle<()>> {
    let spawn = |n: usize, kind: fn(Arc<Scene>, usize, Duration) -> Task, pause| {
        tokio::spawn(kind(Arc::clone(scene), n, pause))
    };
    let pace = plan.time.div_f64(plan.tokens as f64).mul_f64(STRANGERS as f64 * 0.95);
    let mut callers = Vec::new();
    callers.extend(
        (0..plan.regulars).map(|n| spawn(n, |scene, n, pause| Box::pin(regular(scene, n, pause)), REGULAR_PAUSE)),
    );
    callers.extend((0..STRANGERS).map(|n| spawn(n, |scene, n, pause| Box::pin(strangers(scene, n, pause)), pace)));
    callers.extend(
        (0..plan.sockets).map(|n| spawn(n, |scene, n, pause| Box::pin(sockets(scene, n, pause)), SOCKET_PAUSE)),
    );
    callers
}

type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Somebody who comes back, each time for something else.
async fn regular(scene: Arc<Scene>, n: usize, pause: Duration) {
    let user = format!("regular-{n}");
    let mut caller = Caller::new(&scene.door, &user, scene.provider.mint(&user));
    let mut nobody = Caller::new(&scene.door, &user, String::new());
    let mut forger = Caller::new(&scene.door, &user, forged(&caller.token));
    let tally = &scene.tally;
    sleep(pause.mul_f64(fastrand::f64())).await;
    let mut clock = interval(pause);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < scene.end {
        clock.tick().await;
        let (size, chunked) = (fastrand::usize(0..2_000), fastrand::bool());
        match fastrand::u8(0..100) {
            0..66 => caller.ask("/orders/1?expand=lines", Wish::Get(""), &Due::Own(0), tally).await,
            66..82 => caller.ask("/orders", Wish::Post { size, chunked }, &Due::Own(size), tally).await,
            82..84 => caller.ask("/orders", Wish::Post { size: LARGE, chunked }, &Due::Own(LARGE), tally).await,
            84..86 => caller.ask("/orders/bytes/262144", Wish::Get(""), &Due::Own(0), tally).await,
            86..89 => caller.ask("/orders/challenge", Wish::Get(""), &Due::Challenge, tally).await,
            89..92 => nobody.ask("/orders/1", Wish::Get(""), &Due::Refusal(401), tally).await,
            92..94 => forger.ask("/orders/1", Wish::Get(""), &Due::Refusal(401), tally).await,
            94..96 => caller.ask("/nowhere", Wish::Get(""), &Due::Refusal(404), tally).await,
            96..98 => caller.ask("/orders/%2e%2e/x", Wish::Get(""), &Due::Refusal(400), tally).await,
            _ => caller.leave(),
        }
    }
}

/// A token whose signature was changed.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (first, rest) = signature.split_at(1);
    format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" })
}

/// New users, each with a token of their own, seen once or twice. A few are asked for more.
async fn strangers(scene: Arc<Scene>, n: usize, pause: Duration) {
    let mut clock = interval(pause);
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut turn = 0_u64;
    let mut caller = Caller::new(&scene.door, "", String::new());
    while Instant::now() < scene.end {
        clock.tick().await;
        turn += 1;
        let refused = turn.is_multiple_of(50);
        caller.user = format!("{}{n}-{turn}", if refused { STEP_UP } else { "stranger-" });
        caller.token = scene.provider.mint(&caller.user);
        scene.tokens.fetch_add(1, Ordering::Relaxed);
        let due = if refused { Due::Refusal(401) } else { Due::Own(0) };
        for _ in 0..=fastrand::u8(0..2) {
            caller.ask("/orders/1", Wish::Get(""), &due, &scene.tally).await;
        }
    }
}

/// `WebSockets` that live for a while.
async fn sockets(scene: Arc<Scene>, n: usize, pause: Duration) {
    let user = format!("socket-{n}");
    let caller = Caller::new(&scene.door, &user, scene.provider.mint(&user));
    while Instant::now() < scene.end {
        let started = Instant::now();
        match conversation(&caller, "/orders/socket", fastrand::u8(5..30), pause).await {
            Ok(()) => scene.tally.served(started.elapsed()),
            Err(cause) => scene.tally.failed(&format!("WebSocket: {cause}")),
        }
    }
}

/// Opens a WebSocket and has so many things said again.
pub async fn conversation(caller: &Caller, path: &str, turns: u8, pause: Duration) -> Result<(), String> {
    let late = |_| "no answer in time".to_owned();
    let mut socket = timeout(PATIENCE, caller.upgrade(path)).await.map_err(late)??;
    for _ in 0..turns {
        socket.stream.write_all(b"ping").await.map_err(|error| error.to_string())?;
        let echo = timeout(PATIENCE, socket.reader.exactly(&mut socket.stream, 4)).await.map_err(late)?;
        let echo = echo.map_err(|error| error.to_string())?;
        if echo != b"ping" {
            return Err(format!("said {echo:?}"));
        }
        sleep(pause).await;
    }
    Ok(())
}

async fn watch(plan: &Plan, scene: &Scene, proxy: &Proxy, started: Instant) -> Series {
    let mut series = Series::default();
    let pause = (plan.time / 600).max(Duration::from_millis(500));
    let rows = plan.time / 30;
    Series::head();
    let mut printed = None;
    while Instant::now() < scene.end {
        sleep(pause).await;
        let (at, (memory_kib, descriptors)) = (started.elapsed(), proxy.usage());
        let row = at.as_millis() / rows.as_millis().max(1);
        let print = printed != Some(row);
        printed = Some(row);
        let (served, tokens) = (scene.tally.served_so_far(), scene.tokens.load(Ordering::Relaxed));
        series.add(Sample { at, memory_kib, descriptors, served, tokens }, print);
    }
    series
}

/// Those who bring new tokens share out the work.
const STRANGERS: usize = 32;
const REGULAR_PAUSE: Duration = Duration::from_millis(250);
const SOCKET_PAUSE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);
const LARGE: usize = 256 * 1024;
