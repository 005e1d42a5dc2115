//! Connections of callers, and worker threads of the proxy.
#![expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]

use super::load;
use super::program::Program;
use super::report::Section;
use super::scene::{LANES, Scene, steps};

pub async fn measure(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Connections",
        "CPU of the proxy for a warm request with so many open connections of callers, all used in turn, eight at once.",
    );
    let request = [scene.request("caller")];
    for count in steps(&[1, 100, 10_000], scene.plan.connections) {
        let program = Program::start("connections", &scene.provider, &scene.route(), &[]).await;
        let mut callers = load::connect(&program.proxy.address, count).await;
        callers[0].call(&request[0]).await;
        for caller in &mut callers {
            caller.call(&request[0]).await;
        }
        let cost = scene.plan.rounds.run(&program.proxy, &mut callers, &request, LANES.min(count)).await;
        section.row(format!("CPU per request, {count} connections"), cost.cpu, "µs");
        section.row(format!("resident memory, {count} connections"), program.proxy.memory() as f64 / MIB, "MiB");
    }
    section
}

pub async fn workers(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Worker threads",
        "As many warm requests as come through on eight connections, by one caller. The load generator and the target \
         need cores as well: what a second thread gives depends on how many are left.",
    );
    let request = [scene.request("caller")];
    for threads in ["1", "2"] {
        let variables = [("OBO_PROXY_WORKERS", threads)];
        let program = Program::start("workers", &scene.provider, &scene.route(), &variables).await;
        let mut callers = load::connect(&program.proxy.address, LANES).await;
        callers[0].call(&request[0]).await;
        let cost = scene.plan.rounds.run(&program.proxy, &mut callers, &request, LANES).await;
        section.row(format!("requests per second, worker threads: {threads}"), cost.per_second, "/s");
        section.row(format!("CPU per request, worker threads: {threads}"), cost.cpu, "µs");
        section.row(format!("median latency, worker threads: {threads}"), cost.p50, "µs");
    }
    section
}

const MIB: f64 = 1024.0 * 1024.0;
