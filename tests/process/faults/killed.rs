//! The process is killed and started again at once, at the same addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use obo_proxy::emulator::TokenRequest;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::Addresses;
use crate::support::program::Program;
use crate::support::{Reply, World, eventually, get};

const CALLERS: usize = 20;

/// What one caller has met so far.
#[derive(Default)]
struct Met {
    served: AtomicUsize,
    failed: AtomicUsize,
    done: AtomicBool,
}

/// Asks again and again, until it is told to end; an answer must be its own, and whole.
fn keep_asking(url: &str, user: String, token: String, met: Arc<Met>) -> JoinHandle<()> {
    let url = format!("{url}/orders/{user}");
    tokio::spawn(async move {
        while !met.done.load(Ordering::SeqCst) {
            match get(&url, &token).await {
                Ok(Reply { status: 200, text, .. }) => {
                    let seen: Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(seen["path"], format!("/{user}"));
                    assert_eq!(seen["authorization"]["claims"]["oid"], user.as_str(), "{text}");
                    met.served.fetch_add(1, Ordering::SeqCst);
                }
                // Between the two, keys are loaded first.
                Ok(reply) => {
                    assert_eq!((reply.status, reply.code().as_str()), (503, "idp_unavailable"), "{}", reply.text);
                    met.failed.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => {
                    met.failed.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_at_the_same_addresses_and_callers_get_on() {
    let (world, addresses) = (World::start().await, Addresses::take());
    let configuration = world.configuration(&addresses.configuration());
    let mut program = Program::serve(&configuration).await;
    program.wait_until_ready().await;
    let met: Vec<_> = (0..CALLERS).map(|_| Arc::new(Met::default())).collect();
    let token = |user: &str| world.emulator.mint(&TokenRequest::default().user(user));
    let callers: Vec<_> = met
        .iter()
        .enumerate()
        .map(|(n, met)| (format!("user-{n}"), Arc::clone(met)))
        .map(|(user, met)| keep_asking(&program.url, user.clone(), token(&user), met))
        .collect();
    let mut exchanged = 0;
    for _ in 0..3 {
        let served: Vec<_> = met.iter().map(|met| met.served.load(Ordering::SeqCst)).collect();
        let all_got_on = || met.iter().zip(&served).all(|(met, before)| met.served.load(Ordering::SeqCst) > *before);
        eventually("each caller is served", async || all_got_on()).await;
        exchanged = world.emulator.counters().token;
        program.signal("KILL");
        assert_eq!(program.ended().await.code(), None);
        program = Program::serve(&configuration).await;
    }
    let served: Vec<_> = met.iter().map(|met| met.served.load(Ordering::SeqCst)).collect();
    let all_got_on = || met.iter().zip(&served).all(|(met, before)| met.served.load(Ordering::SeqCst) > *before + 2);
    eventually("each caller is served again", async || all_got_on()).await;
    assert!(world.emulator.counters().token >= exchanged + CALLERS as u64, "nothing of before is remembered");
    for met in &met {
        met.done.store(true, Ordering::SeqCst);
    }
    for caller in callers {
        caller.await.unwrap();
    }
    program.wait_until_ready().await;
    assert_eq!(program.get("/orders/1", &token("last")).await.status, 200);
}
