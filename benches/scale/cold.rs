//! First requests of callers: how long one takes beyond the verification and the identity provider's answer.
#![expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]

use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::load::{self, Caller};
use super::message::Reader;
use super::program::Program;
use super::provider::{CLIENT, TENANT};
use super::report::Section;
use super::scene::Scene;
use super::statistics::{median, micros};

pub async fn measure(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Cold requests",
        "Median latencies of requests one after the other on one connection, each cold one with a new token A (Ed25519). \
         Verification is a cold request less a warm one on a route with `grant: none`, which verifies and exchanges \
         nothing. The identity provider's answer is an exchange sent to it directly on a connection that is kept. The \
         proxy's own time is the cold request less these two, forwarding to the target included.",
    );
    let routes = format!("{}  - {{path: /open, target: 'http://{}', grant: none}}\n", scene.route(), scene.target);
    let program = Program::start("cold", &scene.provider, &routes, &[]).await;
    let mut caller = load::connect(&program.proxy.address, 1).await.remove(0);
    // Connections to the identity provider and to the target are there before anything is measured.
    latencies(scene, &mut caller, "/orders/1", "warming-up", WARMING_UP).await;
    latencies(scene, &mut caller, "/open/1", "open-warming-up", WARMING_UP).await;
    let (count, exchanges, cpu) = (scene.plan.cold, scene.provider.exchanges(), program.proxy.cpu());
    let cold = latencies(scene, &mut caller, "/orders/1", "cold", count).await;
    let cpu = micros(program.proxy.cpu().saturating_sub(cpu)) / count as f64;
    assert_eq!(scene.provider.exchanges() - exchanges, count as u64, "exchanges of cold requests");
    let open_cold = latencies(scene, &mut caller, "/open/1", "open", count).await;
    let warm = repeated(&mut caller, &load::request_to("/orders/1", &scene.provider.mint("regular")), count).await;
    let open_warm = repeated(&mut caller, &load::request_to("/open/1", &scene.provider.mint("regular")), count).await;
    let provider = provider(scene, count).await;
    let verification = open_cold - open_warm;
    section.row("cold request", cold, "µs");
    section.row("warm request", warm, "µs");
    section.row("verification", verification, "µs");
    section.row("identity provider's answer", provider, "µs");
    section.goal("own time of a cold request", cold - verification - provider, "µs", 300.0);
    section.row("of that beyond a warm request", cold - verification - provider - warm, "µs");
    section.row("CPU of the proxy for a cold request", cpu, "µs");
    section
}

/// The median latency of so many first requests.
async fn latencies(scene: &Scene, caller: &mut Caller, path: &str, name: &str, count: usize) -> f64 {
    let mut latencies = Vec::new();
    for n in 0..count {
        let request = load::request_to(path, &scene.provider.mint(&format!("{name}-{n}")));
        latencies.push(micros(caller.call(&request).await));
    }
    median(latencies)
}

async fn repeated(caller: &mut Caller, request: &[u8], count: usize) -> f64 {
    let mut latencies = Vec::new();
    caller.call(request).await;
    for _ in 0..count {
        latencies.push(micros(caller.call(request).await));
    }
    median(latencies)
}

/// The median time of an exchange with the identity provider without the proxy.
async fn provider(scene: &Scene, count: usize) -> f64 {
    let address = scene.provider.authority().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut reader = Reader::default();
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&client_id={CLIENT}&client_secret=bench&\
         assertion={}&scope=api%3A%2F%2Forders%2Fx&requested_token_use=on_behalf_of",
        scene.provider.mint("direct")
    );
    let request = format!(
        "POST /{TENANT}/oauth2/v2.0/token HTTP/1.1\r\nHost: {address}\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n{form}",
        form.len()
    );
    let mut latencies = Vec::new();
    for _ in 0..count {
        let started = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(reader.message(&mut stream).await.unwrap().status(), 200);
        latencies.push(micros(started.elapsed()));
    }
    median(latencies)
}

const WARMING_UP: usize = 20;
