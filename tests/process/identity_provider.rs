//! An identity provider that is late, and one that goes away.

use std::sync::Arc;

use crate::support::program::Program;
use crate::support::{Reservation, World, configuration, eventually, get};
use obo_proxy::emulator::TokenRequest;

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_without_the_identity_provider_and_is_ready_once_that_is_there() {
    let port = Reservation::take();
    let mut program =
        Program::serve(&configuration(&format!("http://{}", port.address()), "http://127.0.0.1:9", "")).await;
    let readyz = format!("{}/readyz", program.admin);
    let waiting = get(&readyz, "").await.unwrap();
    assert_eq!((waiting.status, waiting.text.starts_with("waiting for")), (503, true), "{}", waiting.text);
    assert_eq!(get(&format!("{}/healthz", program.admin), "").await.unwrap().status, 200);
    let failed = || program.lines_with("message", "failed to load signing keys");
    eventually("it has tried twice", async || failed().len() >= 2).await;
    let counted = program.metric("obo_proxy_key_refreshes_total{identity=\"default\",outcome=\"failure\"}").await;
    let lines = u32::try_from(failed().len()).unwrap();
    assert!(counted.is_some_and(|tries| tries >= 2.0 && tries <= f64::from(lines)), "{counted:?} {}", program.stdout());
    for line in failed() {
        assert_eq!(line["level"], "WARN");
        let reason = line["reason"].as_str().unwrap();
        assert!(reason.contains("refused"), "{reason}");
    }
    assert!(program.is_running());

    // Of a provider elsewhere: there is nothing to hold it against before keys are loaded.
    let stranger = World::start().await.token();
    let refused = program.get("/orders/1", &stranger).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "idp_unavailable"), "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty());
    let _world = World::with_provider(port.listen()).await;
    program.wait_until_ready().await;
    let loaded = || program.lines_with("message", "signing keys loaded").len();
    eventually("the line is written", async || loaded() > 0).await;
    assert_eq!(loaded(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_serving_known_callers_while_the_identity_provider_is_away() {
    let world = World::start().await;
    let program = world.serve("").await;
    let token = world.token();
    assert_eq!(program.get("/orders/1", &token).await.status, 200);
    world.emulator.stop();
    world.emulator.stopped().await;
    let warm = program.get("/orders/2", &token).await;
    assert_eq!(warm.status, 200, "{}", warm.text);
    let other = world.emulator.mint(&TokenRequest::default().user("99999999-0000-1111-2222-bbbbbbbbbbbb"));
    let cold = program.get("/orders/3", &other).await;
    assert_eq!((cold.status, cold.code().as_str()), (503, "idp_unavailable"), "{}", cold.text);
    eventually("three lines", async || program.lines_with("message", "request").len() == 3).await;
    let sources: Vec<_> =
        program.lines_with("message", "request").iter().map(|line| line["token_source"].to_string()).collect();
    assert_eq!(sources, ["\"exchange\"", "\"cache\"", "\"\""]);
    let line = program.line_with("message", "token exchange failed").await;
    assert!(line["cause"].as_str().unwrap().contains("not reachable"), "{line}");
    assert_eq!(get(&format!("{}/readyz", program.admin), "").await.unwrap().status, 200, "known keys are good keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_callers_who_retry_in_vain_cost_one_exchange_each() {
    const CALLERS: usize = 10_000;
    const LINES: usize = 50;
    let world = World::start().await;
    let program = world.serve("").await;
    let user = |n: usize| TokenRequest::default().user(&format!("user-{n}"));
    let tokens: Arc<Vec<_>> = Arc::new((0..CALLERS).map(|n| world.emulator.mint(&user(n))).collect());
    // As many callers at once as there are lines, each line on a connection that it keeps.
    let client = reqwest::Client::new();
    let lines = (0..LINES).map(|line| {
        let (url, tokens, client) = (format!("{}/payroll/1", program.url), Arc::clone(&tokens), client.clone());
        tokio::spawn(async move {
            let mut challenged = 0;
            for token in tokens.iter().skip(line).step_by(LINES) {
                for _ in 0..=10 {
                    let response = client.get(&url).bearer_auth(token).send().await.unwrap();
                    let has_challenge = response.headers().contains_key("www-authenticate");
                    challenged += usize::from(response.status() == 401 && has_challenge);
                    response.bytes().await.unwrap();
                }
            }
            challenged
        })
    });
    let mut challenged = 0;
    for line in lines.collect::<Vec<_>>() {
        challenged += line.await.unwrap();
    }
    assert_eq!(challenged, 11 * CALLERS, "the first time, and ten times more");
    assert_eq!((world.emulator.counters().token, world.target.total_hits()), (CALLERS as u64, 0));
}
