//! Ten thousand connections that do nothing, and a thousand that send a byte now and then: do others notice, and what
//! does it cost?
#![expect(clippy::cast_precision_loss, reason = "counts of connections and KiB are far below 2^52")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::caller::{Caller, Door, Due, Wish};
use super::mixed::wait_until_ready;
use super::provider::Provider;
use super::proxy::{self, Proxy};
use super::system::{address, reserve};
use super::tally::Tally;
use super::target::Target;

/// How much of it.
pub struct Plan {
    pub idle: usize,
    pub dripping: usize,
    /// Others, who want to be served.
    pub callers: usize,
    /// How long is measured without the crowd, and then with it.
    pub time: Duration,
}

/// What became of those who drip.
#[derive(Default)]
struct Drips {
    opened: AtomicU64,
    ended: AtomicU64,
    /// The longest that the proxy waited for one, in milliseconds.
    longest: AtomicU64,
    refused: AtomicU64,
    over: AtomicBool,
}

pub async fn run(plan: &Plan) -> bool {
    let (provider, target, port) = (Provider::start().await, Target::start(), reserve());
    let directory = proxy::directory("crowd");
    let configuration = format!(
        "listen: [{{address: '{}'}}]\n{}routes:\n  - {{path: /orders, target: 'http://{}', scopes: [api://orders/x]}}\n",
        address(&port),
        proxy::identity(&provider),
        target.address()
    );
    println!(
        "\ncrowd: {} idle connections after one request each, {} that send a header section at a byte a second; {} callers go on",
        plan.idle, plan.dripping, plan.callers
    );
    let proxy = Proxy::start(&directory, &configuration, &address(&port)).await;
    let door = Door { address: address(&port), tls: None };
    wait_until_ready(&door, &provider).await;
    println!("               p50 ms    p99 ms   memory MiB   descriptors");
    let tally = Tally::default();
    let started = Instant::now();
    serve_others(plan, &door, &provider, &tally).await;
    let alone = row("alone", &tally, &proxy);
    let idle = idle_connections(plan, &door, &provider).await;
    let with_idle = row("idle ones", &Tally::default(), &proxy);
    let drips = Arc::<Drips>::default();
    let mut dripping = JoinSet::new();
    for n in 0..plan.dripping {
        dripping.spawn(drip(address_of(&door), n, Arc::clone(&drips)));
    }
    sleep(Duration::from_secs(1)).await;
    serve_others(plan, &door, &provider, &tally).await;
    let crowded = row("crowded", &tally, &proxy);
    drips.over.store(true, Ordering::Relaxed);
    dripping.abort_all();
    drop(idle);
    sleep(Duration::from_secs(2)).await;
    row("afterwards", &Tally::default(), &proxy);
    let served = tally.verdict("others", started.elapsed(), target.requests().1);
    let idle_cost = (with_idle as f64 - alone as f64) / plan.idle as f64;
    let all_cost = (crowded as f64 - alone as f64) / (plan.idle + plan.dripping) as f64;
    println!("  memory: {idle_cost:.1} KiB an idle connection, {all_cost:.1} KiB a connection of the crowd");
    print_drips(&drips);
    served && drips.ended.load(Ordering::Relaxed) > 0
}

fn row(name: &str, tally: &Tally, proxy: &Proxy) -> u64 {
    let (p50, p99) = tally.percentiles();
    let (memory, descriptors) = proxy.usage();
    let latency = if tally.served_so_far() > 0 { format!("{p50:>7.2}   {p99:>7.2}") } else { " ".repeat(17) };
    println!("  {name:<10}  {latency}   {:>10.1}   {descriptors:>11}", memory as f64 / 1024.0);
    memory
}

/// Callers at a steady pace; only what they see counts.
async fn serve_others(plan: &Plan, door: &Door, provider: &Provider, tally: &Tally) {
    let end = Instant::now() + plan.time;
    let callers = (0..plan.callers).map(|n| async move {
        let user = format!("other-{n}");
        let mut caller = Caller::new(door, &user, provider.mint(&user));
        let mut clock = interval(Duration::from_millis(40));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        sleep(Duration::from_millis(40).mul_f64(fastrand::f64())).await;
        while Instant::now() < end {
            clock.tick().await;
            caller.ask("/orders/1", Wish::Get(""), &Due::Own(0), tally).await;
        }
    });
    futures_util::future::join_all(callers).await;
}

/// Connections that were used once and are kept.
async fn idle_connections(plan: &Plan, door: &Door, provider: &Provider) -> Vec<TcpStream> {
    let token = provider.mint("idle");
    let request =
        format!("GET /orders/1 HTTP/1.1\r\nHost: a\r\nX-Expected: idle\r\nAuthorization: Bearer {token}\r\n\r\n");
    let mut kept = Vec::new();
    for n in 0..plan.idle {
        let mut stream = connect(address_of(door), n).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));
        kept.push(stream);
    }
    kept
}

/// Sends a byte a second until the proxy has had enough, and begins anew.
async fn drip(address: SocketAddr, n: usize, drips: Arc<Drips>) {
    let header = b"GET /orders/1 HTTP/1.1\r\nHost: a\r\nX-Long: ".iter().copied().chain(std::iter::repeat(b'x'));
    while !drips.over.load(Ordering::Relaxed) {
        sleep(Duration::from_secs(1).mul_f64(fastrand::f64())).await;
        let Ok(mut stream) = connect(address, n).await else {
            drips.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let started = Instant::now();
        drips.opened.fetch_add(1, Ordering::Relaxed);
        for byte in header.clone() {
            let mut answer = [0; 64];
            let sent = stream.write_all(&[byte]).await;
            let read = timeout(Duration::from_secs(1), stream.read(&mut answer)).await;
            if sent.is_err() || read.is_ok() {
                break;
            }
        }
        drips.ended.fetch_add(1, Ordering::Relaxed);
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        drips.longest.fetch_max(took, Ordering::Relaxed);
    }
}

fn print_drips(drips: &Drips) {
    let [opened, ended, longest, refused] =
        [&drips.opened, &drips.ended, &drips.longest, &drips.refused].map(|count| count.load(Ordering::Relaxed));
    println!(
        "  slow ones: {opened} opened, {ended} ended by the proxy, the last of them after {:.1} s, {refused} refused",
        longest as f64 / 1e3
    );
}

fn address_of(door: &Door) -> SocketAddr {
    door.address.parse().unwrap()
}

/// From one of several addresses, which have their own ports.
async fn connect(to: SocketAddr, n: usize) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let from = Ipv4Addr::new(127, 0, 0, u8::try_from(2 + n % 8).unwrap_or(2));
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0))?;
    socket.connect(to).await
}
