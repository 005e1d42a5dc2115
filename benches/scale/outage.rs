//! The identity provider is down: who is known is served as before, and who is not is told so at once.

use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::cost::{millis, most};
use super::load;
use super::message::Reader;
use super::program::Program;
use super::report::Section;
use super::scene::{LANES, Scene};
use super::statistics::median;

pub async fn measure(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Identity provider down",
        "CPU of the proxy for warm requests of 100 callers while the identity provider is there, and after it has ended. \
         Then callers come whose token A was never seen; all get 503. The first ten cost two attempts each, the others \
         none.",
    );
    let (runtime, provider) = Scene::mortal_provider();
    let program = Program::start("outage", &provider, &scene.route(), &[]).await;
    let mut callers = load::connect(&program.proxy.address, LANES).await;
    let requests: Vec<_> = (0..100).map(|n| load::request(&provider.mint(&format!("regular-{n}")))).collect();
    let before = scene.plan.rounds.run(&program.proxy, &mut callers, &requests, LANES).await;
    runtime.shutdown_background();
    let during = scene.plan.rounds.run(&program.proxy, &mut callers, &requests, LANES).await;
    section.row("CPU per warm request, before", before.cpu, "µs");
    section.row("CPU per warm request, during", during.cpu, "µs");
    section.row("median latency of a warm request, before", before.p50, "µs");
    section.row("median latency of a warm request, during", during.p50, "µs");
    let strangers: Vec<_> = (0..60).map(|n| load::request(&provider.mint(&format!("stranger-{n}")))).collect();
    let refusals = refusals(&program.proxy.address, &strangers).await;
    let (first, rest) = refusals.split_at(20);
    section.row("503 for a new caller, the first 20: median", median(first.iter().copied()), "ms");
    section.row("503 for a new caller, the first 20: slowest", most(first.iter().copied()), "ms");
    section.row("503 for a new caller, the next 40: median", median(rest.iter().copied()), "ms");
    section.row("503 for a new caller, the next 40: slowest", most(rest.iter().copied()), "ms");
    section
}

/// How long each refusal took, in ms.
async fn refusals(address: &str, requests: &[Vec<u8>]) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut reader = Reader::default();
    let mut refusals = Vec::new();
    for request in requests {
        let started = Instant::now();
        stream.write_all(request).await.unwrap();
        let answer = reader.message(&mut stream).await.unwrap();
        assert_eq!(answer.status(), 503, "{}", String::from_utf8_lossy(&answer.body));
        refusals.push(millis(started.elapsed()));
    }
    refusals
}
