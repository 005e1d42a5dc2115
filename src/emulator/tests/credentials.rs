//! Secrets, and their change while the emulator runs.

use serde_json::{Value, json};

use super::support::{emulator, get, json as read, listener, post_text, refusal, send, valid_form, with};
use crate::emulator::{Emulator, EmulatorOptions, TokenRequest};

async fn exchange_with(emulator: &Emulator, secret: &str) -> (u16, Value) {
    let form = valid_form(&emulator.mint(&TokenRequest::default()));
    send(emulator, &with(form, "client_secret", secret)).await
}

#[tokio::test]
async fn old_and_new_secret_are_good_at_once() {
    let options = EmulatorOptions { client_secrets: vec!["new".to_owned()], ..Default::default() };
    let emulator = Emulator::start(listener(), options).await.unwrap();
    for (secret, status) in [("emulator-secret", 200), ("new", 200), ("neither", 401)] {
        assert_eq!(exchange_with(&emulator, secret).await.0, status, "{secret}");
    }
}

#[tokio::test]
async fn withdrawn_secret_meets_the_chosen_number() {
    let emulator = emulator().await;
    emulator.add_secret("new");
    for code in [7_000_222, 7_000_215] {
        assert!(emulator.withdraw_secret("emulator-secret", code));
        let answer = exchange_with(&emulator, "emulator-secret").await;
        assert_eq!(refusal(&answer), (401, "invalid_client", None, u64::from(code)));
    }
    assert_eq!(exchange_with(&emulator, "new").await.0, 200);
    assert!(!emulator.withdraw_secret("unknown", 7_000_215));
}

#[tokio::test]
async fn reset_brings_the_first_secret_back() {
    let emulator = emulator().await;
    emulator.add_secret("new");
    emulator.withdraw_secret("emulator-secret", 7_000_222);
    emulator.reset();
    assert_eq!(exchange_with(&emulator, "emulator-secret").await.0, 200);
    assert_eq!(refusal(&exchange_with(&emulator, "new").await).3, 7_000_215);
}

#[tokio::test]
async fn control_changes_and_lists_credentials() {
    let emulator = emulator().await;
    let url = format!("{}/emulator/credentials", emulator.url());
    let change = json!({"add_secret": "new", "withdraw_secret": "emulator-secret", "code": 7_000_222});
    let (status, listed) = read(post_text(url.clone(), change.to_string()).await).await;
    let secrets = json!([{"credential": "emulator-secret", "withdrawn": 7_000_222}, {"credential": "new"}]);
    assert_eq!((status, &listed["secrets"]), (200, &secrets));
    assert_eq!(refusal(&exchange_with(&emulator, "emulator-secret").await).3, 7_000_222);
    assert_eq!(exchange_with(&emulator, "new").await.0, 200);
    assert_eq!(read(get(url).await).await.1, listed);
}

#[tokio::test]
async fn control_refuses_what_it_does_not_know() {
    let emulator = emulator().await;
    let url = format!("{}/emulator/credentials", emulator.url());
    for change in [r#"{"withdraw_secret": "unknown"}"#, r#"{"add_certificate": "none"}"#, r#"{"secret": "x"}"#] {
        assert_eq!(post_text(url.clone(), change.to_owned()).await.status(), 400, "{change}");
    }
}
