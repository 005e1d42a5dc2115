//! Whom a fault concerns, and when it is over.

use std::time::Duration;

use super::support::{emulator, exchange, exchange_for, refusal, send, token_request, valid_form, with};
use crate::emulator::{Emulator, Fault, TokenRequest};

async fn status(emulator: &Emulator) -> u16 {
    let form = valid_form(&emulator.mint(&TokenRequest::default()));
    token_request(emulator).form(&form).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn fault_of_a_share_meets_exactly_that_share() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::aadsts(90_033).for_share(30));
    for _ in 0..10 {
        status(&emulator).await;
    }
    let counters = emulator.counters();
    assert_eq!((counters.outcome("fault"), counters.exchanged()), (3, 7));
}

#[tokio::test]
async fn fault_of_one_grant_spares_others() {
    let emulator = emulator().await;
    let scope = "api://orders/Orders.Read offline_access";
    let (_, answer) = exchange_for(&emulator, &TokenRequest::default(), scope).await;
    emulator.faults().add(Fault::aadsts(70_043).for_grant("refresh_token"));
    let refresh = with(valid_form(""), "grant_type", "refresh_token");
    let refresh = with(refresh, "refresh_token", answer["refresh_token"].as_str().unwrap());
    assert_eq!(refusal(&send(&emulator, &refresh).await).3, 70_043);
    assert_eq!(status(&emulator).await, 200);
}

#[tokio::test]
async fn fault_of_one_user_is_met_as_often_as_told() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::aadsts(53_003).for_oid("carol").times(1));
    let carol = emulator.mint(&TokenRequest::default().user("carol"));
    assert_eq!(status(&emulator).await, 200);
    assert_eq!(refusal(&exchange(&emulator, &carol).await), (400, "invalid_grant", Some("message_only"), 53_003));
    assert_eq!(exchange(&emulator, &carol).await.0, 200);
}

#[tokio::test]
async fn throttling_concerns_everybody_until_it_is_over() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::throttled(Duration::from_secs(100)));
    for user in ["carol", "dave"] {
        let form = valid_form(&emulator.mint(&TokenRequest::default().user(user)));
        let response = token_request(&emulator).form(&form).send().await.unwrap();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=100).contains(&seconds), "{seconds}");
    }
    assert!(emulator.faults().list()[0].lasting_ms.unwrap() <= 100_000);
    assert_eq!(emulator.counters().outcome("fault"), 2);
    emulator.faults().clear();
    emulator.faults().add(Fault::throttled(Duration::ZERO));
    assert_eq!(status(&emulator).await, 200);
}
