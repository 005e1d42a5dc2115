//! Cached tokens: what a warm request costs among many, and the memory of a caller.
#![expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^52")]

use futures_util::future::join_all;

use super::load;
use super::program::Program;
use super::report::Section;
use super::scene::{LANES, Scene, steps};

pub async fn measure(scene: &Scene) -> Section {
    let mut section = Section::new(
        "Tokens in the caches",
        "CPU of the proxy for a warm request while so many callers are cached, each with a token B of 1.5 kB. \
         The requests are those of up to 20,000 of the callers in a random order. Memory is resident memory beyond that \
         with one caller, over the number of callers.",
    );
    let program = Program::start("tokens", &scene.provider, &scene.route(), &[]).await;
    let (mut cached, mut first) = (0, None);
    let mut asked = Vec::new();
    for tokens in steps(&[1, 1_000, 100_000, 1_000_000], scene.plan.tokens) {
        asked.extend(fill(scene, &program, cached..tokens, scene.plan.tokens.div_ceil(KEPT)).await);
        cached = tokens;
        fastrand::shuffle(&mut asked);
        // Connections of the step before have been unused for longer than they may be.
        let mut callers = load::connect(&program.proxy.address, LANES).await;
        let cost = scene.plan.rounds.run(&program.proxy, &mut callers, &asked, LANES).await;
        section.row(format!("CPU per request, {tokens} tokens"), cost.cpu, "µs");
        let memory = program.proxy.memory() as f64;
        let baseline = *first.get_or_insert(memory);
        section.row(format!("resident memory, {tokens} tokens"), memory / MIB, "MiB");
        if tokens >= 100_000 {
            let each = (memory - baseline) / (tokens - 1) as f64 / 1e3;
            section.goal(format!("memory per caller, {tokens} tokens"), each, "kB", 3.0);
        }
    }
    let entries = program.metric(r#"obo_proxy_cache_entries{cache="token"}"#).await;
    println!("  tokens B in the cache, by its metric: {entries:?}");
    section
}

/// Has new callers come, each once, and gives back the request of one in so many of them.
async fn fill(scene: &Scene, program: &Program, range: std::ops::Range<usize>, one_in: usize) -> Vec<Vec<u8>> {
    let share = range.len().div_ceil(FILLERS).max(1);
    let begins: Vec<_> = range.clone().step_by(share).collect();
    let runs = begins.into_iter().map(|begin| {
        let (provider, address) = (scene.provider.clone(), program.proxy.address.clone());
        let end = (begin + share).min(range.end);
        tokio::spawn(async move {
            let mut callers = load::connect(&address, 1).await;
            let mut kept = Vec::new();
            for n in begin..end {
                let request = load::request(&provider.mint(&format!("caller-{n}")));
                callers[0].call(&request).await;
                if n.is_multiple_of(one_in) {
                    kept.push(request);
                }
            }
            kept
        })
    });
    join_all(runs).await.into_iter().flat_map(Result::unwrap).collect()
}

/// Requests that are kept to be sent again.
const KEPT: usize = 20_000;
/// Connections on which new callers come.
const FILLERS: usize = 32;
const MIB: f64 = 1024.0 * 1024.0;
