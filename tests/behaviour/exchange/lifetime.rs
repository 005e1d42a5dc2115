//! How long a token B is used: by `expires_in`, and never longer than the caller's own token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use obo_proxy::emulator::{Fault, TokenRequest};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{served, world};

/// The exchanges that three requests cost where the token endpoint's answer is altered in this way.
async fn exchanges_with(fault: Fault) -> u64 {
    let world = world().await;
    world.emulator.faults().add(fault);
    let token = world.token();
    for _ in 0..3 {
        served(&world, "/orders", &token).await;
    }
    assert_eq!(world.target.total_hits(), 3);
    world.token_requests()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_that_makes_no_sense_is_used_for_one_request() {
    for lifetime in [json!(0), json!(-1), json!(-3600), json!("-3600"), json!("soon"), json!(null), json!([3600])] {
        assert_eq!(exchanges_with(Fault::token_member("expires_in", lifetime.clone())).await, 3, "{lifetime}");
    }
    assert_eq!(exchanges_with(Fault::token_without("expires_in")).await, 3, "absent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lifetime_as_text_or_beyond_all_measure_is_remembered() {
    for lifetime in [json!(3599), json!("3599"), json!(3599.5), json!(1e18), json!(u64::MAX)] {
        assert_eq!(exchanges_with(Fault::token_member("expires_in", lifetime.clone())).await, 1, "{lifetime}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_lives_for_a_moment_is_replaced_by_half_of_it() {
    for lifetime in [2, 4] {
        let world = world().await;
        world.emulator.faults().add(Fault::token_member("expires_in", lifetime));
        let half = Duration::from_secs(lifetime) / 2;
        let token = world.token();
        let before = Instant::now();
        served(&world, "/orders", &token).await;
        let after = Instant::now();
        loop {
            let asked = Instant::now();
            served(&world, "/orders", &token).await;
            if world.token_requests() == 2 {
                break;
            }
            assert!(asked < after + half, "used for more than half of {lifetime} s");
            sleep(Duration::from_millis(20)).await;
        }
        // The renewal beside requests begins a tenth of that time before, and as much earlier by jitter.
        assert!(before.elapsed() >= half.mul_f64(0.8), "replaced too soon within {lifetime} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_not_used_after_the_end_of_the_callers_own() {
    let world = world().await;
    let unix_now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let before = unix_now();
    let token = world.mint(&TokenRequest { lifetime: Some(3), ..TokenRequest::default() });
    // The token's end is a whole second, at most three after it was made; the proxy counts in whole seconds too.
    let end = unix_now() + Duration::from_secs(3 + 1);
    served(&world, "/orders", &token).await;
    loop {
        let asked = unix_now();
        let reply = world.get("/orders", &token).await;
        if world.token_requests() == 2 {
            // The clock skew lets the caller's token in; the identity provider allows none.
            assert_eq!(
                (reply.code().as_str(), reply.json()["error_codes"][0].as_u64()),
                ("invalid_token", Some(500_133))
            );
            break;
        }
        assert!(asked < end, "used beyond the end of the caller's token");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(unix_now() >= before + Duration::from_secs(2), "used for too short a time");
}
