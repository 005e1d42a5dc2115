//! A reload of many routes under steady load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::cost::{millis, most};
use super::load::{self, Caller};
use super::program::Program;
use super::report::Section;
use super::routes::{many, path};
use super::scene::Scene;
use super::statistics::median;

pub async fn measure(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Reload",
        "10,000 routes (about 1 MB of YAML) are read again on SIGHUP, with one more each time: the time until that one is served, asked for \
         every millisecond. Meanwhile four callers send a warm request every 2 ms; the slowest of each reload, and of as \
         long a time without one.",
    );
    let program = Program::start("reload", &scene.provider, &many(scene, scene.plan.routes), &[]).await;
    let token = scene.provider.mint("caller");
    let (mut served, mut quiet, mut delayed) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..scene.plan.repetitions {
        let more = format!("/fresh-{turn}");
        program.write_routes(&format!("{}{}", many(scene, scene.plan.routes), scene.route_at(&more)));
        let load = Load::start(&program, &token).await;
        let started = Instant::now();
        program.hang_up();
        until_served(&program, &load::request_to(&more, &token)).await;
        served.push(millis(started.elapsed()));
        // What is left of the former generation goes within this time, too.
        tokio::time::sleep(AFTERWARDS).await;
        let window = started.elapsed();
        delayed.push(load.end().await);
        let load = Load::start(&program, &token).await;
        tokio::time::sleep(window).await;
        quiet.push(load.end().await);
    }
    section.goal("new routes served after, median", median(served.iter().copied()), "ms", 200.0);
    section.row("new routes served after, slowest", most(served.into_iter()), "ms");
    let (usual, slow) = (median(quiet.iter().copied()), median(delayed.iter().copied()));
    section.row("slowest warm request of a time without reload, median", usual, "ms");
    section.row("slowest warm request of a time without reload, at most", most(quiet.into_iter()), "ms");
    section.row("slowest warm request of a reload, median", slow, "ms");
    section.row("slowest warm request of a reload, at most", most(delayed.into_iter()), "ms");
    section.goal("delay by a reload, difference of the medians", (slow - usual).max(0.0), "ms", 5.0);
    section
}

async fn until_served(program: &Program, request: &[u8]) {
    let begun = Instant::now();
    while load::connect_served(&program.proxy.address, request).await.is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "never reloaded");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Callers that send a request now and then.
struct Load {
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Duration>>,
}

impl Load {
    async fn start(program: &Program, token: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let callers = load::connect(&program.proxy.address, 4).await;
        let spawn = |(n, caller)| {
            let request = load::request_to(&path(n), token);
            tokio::spawn(Self::ask(caller, request, Arc::clone(&over)))
        };
        let callers = callers.into_iter().enumerate().map(spawn).collect();
        Self { over, callers }
    }

    /// The longest that one request took; the first one does not count.
    async fn ask(mut caller: Caller, request: Vec<u8>, over: Arc<AtomicBool>) -> Duration {
        caller.call(&request).await;
        let mut slowest = Duration::ZERO;
        while !over.load(Ordering::Relaxed) {
            slowest = slowest.max(caller.call(&request).await);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        slowest
    }

    /// The longest that a request took, in ms.
    async fn end(self) -> f64 {
        self.over.store(true, Ordering::Relaxed);
        most(join_all(self.callers).await.into_iter().map(|slowest| millis(slowest.unwrap())))
    }
}

const AFTERWARDS: Duration = Duration::from_millis(100);
