//! From a token to a caller: remembered by its digest, and verified anew.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use futures_util::FutureExt;
use obo_proxy::caller::{VerifiedCaller, Verifier};
use obo_proxy::digest::Digest;
use obo_proxy::idp::IdpClient;
use obo_proxy::telemetry::Metrics;
use tokio::time::Instant;

use super::setting::{Setting, setting};
use super::token;

pub fn measure(criterion: &mut Criterion) {
    obo_proxy::server::install_crypto_provider();
    let Setting { runtime, emulator, identity } = setting();
    let identity = Arc::new(identity);
    let verifier = |capacity| {
        let client = IdpClient::new(None).unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let verifier = Verifier::new(Arc::clone(&identity), &client, capacity, metrics, None);
        runtime.block_on(verifier.load_first_keys());
        verifier
    };
    let token = |n: usize| {
        let token = token::realistic(&emulator, &format!("user-{n}"));
        let digest = Digest::of(token.as_bytes());
        (token, digest)
    };
    let tokens: Vec<_> = (0..TOKENS).map(token).collect();
    let mut group = criterion.benchmark_group("verification");
    group.bench_function("warm, digest known", |bencher| {
        let verifier = verifier(TOKENS);
        let (token, digest) = &tokens[0];
        bencher.iter(|| verify(&verifier, black_box(token), digest));
    });
    // Each token has made room for others by the time that its turn comes again.
    group.bench_function("cold, RS256", |bencher| {
        let verifier = verifier(TOKENS / 2);
        let mut turn = tokens.iter().cycle();
        bencher.iter(|| {
            let (token, digest) = turn.next().unwrap();
            verify(&verifier, black_box(token), digest)
        });
    });
    group.finish();
}

/// Nothing is awaited where the keys are known.
fn verify(verifier: &Verifier, token: &str, digest: &Digest) -> Arc<VerifiedCaller> {
    verifier.verify(token, digest, Instant::now()).now_or_never().unwrap().unwrap()
}

const TOKENS: usize = 200;
