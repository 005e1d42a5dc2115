//! Everything changes while callers go on: configuration, certificates, the program itself, targets.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::caller::{Caller, Door, Due, Wish};
use super::certificates::Certificates;
use super::mixed::{conversation, wait_until_ready};
use super::provider::Provider;
use super::proxy::{self, Proxy};
use super::system::{address, reserve};
use super::tally::Tally;
use super::target::Target;

/// How often what changes.
pub struct Plan {
    pub reloads: u32,
    pub successions: u32,
    pub certificates: u32,
    pub restarts: u32,
    /// Callers with kept connections; a tenth as many open a new one by TLS for each request.
    pub callers: usize,
    /// Between two requests of a caller.
    pub pause: Duration,
}

/// What callers and changes have in common.
struct Scene {
    plain: Door,
    tls: Door,
    provider: Provider,
    tally: Tally,
    over: AtomicBool,
}

/// What writes the configuration.
struct Script {
    listen: [String; 2],
    directory: PathBuf,
    identity: String,
    targets: [String; 3],
}

impl Script {
    /// The configuration that a route of this generation tells from others.
    fn text(&self, generation: u32) -> String {
        let ([plain, tls], [first, second, writes]) = (&self.listen, &self.targets);
        let scopes = "scopes: [api://orders/x]";
        format!(
            "listen:\n  - {{address: '{plain}'}}\n  - {{address: '{tls}', tls: {{certificate: tls.pem, private_key: tls.key}}}}\n\
             drain_timeout: 30s\n{}routes:\n  \
             - {{path: /orders, target: {{url: 'http://{first}', endpoints: ['http://{second}'], retries: 2}}, {scopes}}}\n  \
             - {{path: /writes, target: 'http://{writes}', {scopes}}}\n  \
             - {{path: /generation-{generation}, target: 'http://{writes}', {scopes}}}\n",
            self.identity
        )
    }

    /// Puts a configuration in place of the one that is there.
    fn write(&self, generation: u32) {
        let aside = self.directory.join("routes.yaml.new");
        fs::write(&aside, self.text(generation)).unwrap();
        fs::rename(aside, self.directory.join("routes.yaml")).unwrap();
    }
}

pub async fn run(plan: &Plan) -> bool {
    let (provider, ports) = (Provider::start().await, [reserve(), reserve()]);
    let [first, second, writes] = [Target::start(), Target::start(), Target::start()];
    let directory = proxy::directory("change");
    let certificates = Certificates::new(&directory);
    let script = Script {
        listen: ports.each_ref().map(address),
        directory: directory.clone(),
        identity: proxy::identity(&provider),
        targets: [&first, &second, &writes].map(|target| target.address().to_string()),
    };
    println!(
        "\nchange: {} callers; {} reloads, {} hand-overs to a new process, {} certificates, {} restarts of targets",
        plan.callers, plan.reloads, plan.successions, plan.certificates, plan.restarts
    );
    let proxy = Proxy::start(&directory, &script.text(0), &script.listen[0]).await;
    let scene = Arc::new(Scene {
        plain: Door { address: script.listen[0].clone(), tls: None },
        tls: Door { address: script.listen[1].clone(), tls: Some(certificates.connector()) },
        provider,
        tally: Tally::default(),
        over: AtomicBool::new(false),
    });
    wait_until_ready(&scene.plain, &scene.provider).await;
    let (started, callers) = (Instant::now(), callers(plan, &scene));
    let targets = restarts(plan.restarts, [first, second]);
    let turn = Mutex::new(());
    let (reloads, successions, certificates, targets) = tokio::join!(
        reloads(plan.reloads, &script, &scene, &proxy, &turn),
        successions(plan.successions, &proxy, &turn),
        renewals(plan.certificates, &certificates, &script.listen[1]),
        targets,
    );
    scene.over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let wrong = targets.iter().chain([&writes]).map(|target| target.requests().1).sum();
    println!("  seen to be in force: {reloads} reloads, {successions} hand-overs, {certificates} certificates");
    println!("  {} exchanges", scene.provider.exchanges());
    let (p50, p99) = scene.tally.percentiles();
    println!("  latency: p50 {p50:.2} ms, p99 {p99:.2} ms");
    let all = (reloads, successions, certificates) == (plan.reloads, plan.successions, plan.certificates);
    scene.tally.verdict("change", started.elapsed(), wrong) && all
}

fn callers(plan: &Plan, scene: &Arc<Scene>) -> Vec<tokio::task::JoinHandle<()>> {
    let mut callers = Vec::new();
    for n in 0..plan.callers {
        callers.push(tokio::spawn(reader(Arc::clone(scene), scene.plain.clone(), n, plan.pause, false)));
        if n % 10 == 0 {
            callers.push(tokio::spawn(reader(Arc::clone(scene), scene.tls.clone(), n, plan.pause * 2, true)));
            callers.push(tokio::spawn(writer(Arc::clone(scene), n, plan.pause * 2)));
            callers.push(tokio::spawn(talker(Arc::clone(scene), n)));
        }
    }
    callers
}

/// Reads again and again, on a connection that is kept or on a new one each time.
async fn reader(scene: Arc<Scene>, door: Door, n: usize, pause: Duration, anew: bool) {
    let user = format!("{}-{n}", if anew { "guest" } else { "reader" });
    let mut caller = Caller::new(&door, &user, scene.provider.mint(&user));
    let mut clock = paced(pause).await;
    while !scene.over.load(Ordering::Relaxed) {
        clock.tick().await;
        caller.ask("/orders/1", Wish::Get(""), &Due::Own(0), &scene.tally).await;
        if anew {
            caller.leave();
        }
    }
}

/// Writes to a target that is not restarted: a write is never repeated.
async fn writer(scene: Arc<Scene>, n: usize, pause: Duration) {
    let user = format!("writer-{n}");
    let mut caller = Caller::new(&scene.plain, &user, scene.provider.mint(&user));
    let mut clock = paced(pause).await;
    while !scene.over.load(Ordering::Relaxed) {
        clock.tick().await;
        let (size, chunked) = (fastrand::usize(0..20_000), fastrand::bool());
        caller.ask("/writes", Wish::Post { size, chunked }, &Due::Own(size), &scene.tally).await;
    }
}

/// Talks over `WebSockets`, each for some seconds.
async fn talker(scene: Arc<Scene>, n: usize) {
    let user = format!("talker-{n}");
    let caller = Caller::new(&scene.plain, &user, scene.provider.mint(&user));
    while !scene.over.load(Ordering::Relaxed) {
        let started = Instant::now();
        match conversation(&caller, "/writes/socket", fastrand::u8(10..50), Duration::from_millis(200)).await {
            Ok(()) => scene.tally.served(started.elapsed()),
            Err(cause) => scene.tally.failed(&format!("WebSocket: {cause}")),
        }
    }
}

async fn paced(pause: Duration) -> tokio::time::Interval {
    sleep(pause.mul_f64(fastrand::f64())).await;
    let mut clock = interval(pause);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock
}

/// Rewrites the file, every other time with a signal. Each must be seen to be in force.
async fn reloads(times: u32, script: &Script, scene: &Scene, proxy: &Proxy, turn: &Mutex<()>) -> u32 {
    let mut caller = Caller::new(&scene.plain, "reader-of-generations", scene.provider.mint("reader-of-generations"));
    let mut seen = 0;
    for generation in 1..=times {
        // A process that is just taking over knows no signals yet.
        let turn = turn.lock().await;
        script.write(generation);
        if generation % 2 == 0 {
            proxy.signal("HUP");
        }
        let path = format!("/generation-{generation}");
        seen += u32::from(within(IN_FORCE, async || serves(&mut caller, &path).await).await);
        drop(turn);
        sleep(Duration::from_millis(500)).await;
    }
    seen
}

async fn serves(caller: &mut Caller, path: &str) -> bool {
    let tally = Tally::default();
    caller.ask(path, Wish::Get(""), &Due::Own(0), &tally).await;
    tally.served_so_far() == 1
}

/// Has a new process of the program take over, and waits until the old one has left.
async fn successions(times: u32, proxy: &Proxy, turn: &Mutex<()>) -> u32 {
    let mut seen = 0;
    for _ in 0..times {
        sleep(Duration::from_secs(2)).await;
        let _turn = turn.lock().await;
        let before = proxy.process();
        proxy.signal("USR2");
        let done = within(Duration::from_mins(1), async || {
            let now = proxy.processes();
            now.len() == 1 && !now.contains(&before)
        });
        seen += u32::from(done.await);
    }
    seen
}

/// Puts new certificates in place; each must be shown to new connections.
async fn renewals(times: u32, certificates: &Certificates, address: &str) -> u32 {
    let mut seen = 0;
    for _ in 0..times {
        let certificate = certificates.renew();
        seen += u32::from(within(IN_FORCE, async || certificates.is_shown(address, &certificate).await).await);
        sleep(Duration::from_millis(200)).await;
    }
    seen
}

/// Breaks off one of two targets, and has it back after a moment.
async fn restarts(times: u32, mut targets: [Target; 2]) -> [Target; 2] {
    for turn in 0..times {
        sleep(Duration::from_secs(2)).await;
        let target = &mut targets[turn as usize % 2];
        target.stop().await;
        sleep(Duration::from_millis(500)).await;
        target.start_again();
    }
    targets
}

/// Whether something comes true in time.
async fn within(time: Duration, mut is_true: impl AsyncFnMut() -> bool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end {
        if is_true().await {
            return true;
        }
        sleep(Duration::from_millis(50)).await;
    }
    false
}

/// How long a change may take to be in force.
const IN_FORCE: Duration = Duration::from_secs(20);
