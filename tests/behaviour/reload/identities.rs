//! Identities that come and change: what was found by other rules is not gone by, what concerns others stays warm.

use obo_proxy::emulator::{EmulatorOptions, TokenRequest};

use super::{Followed, ORDERS, text, world_with};
use crate::support::provider::{Key, Provider, in_an_hour, jwks};
use crate::support::{SECRET, World, eventually};

/// Verifies, and exchanges nothing.
const OPEN: &str = "
  - {name: open, path: /open, target: '{target}', grant: none}
";

#[tokio::test(flavor = "multi_thread")]
async fn another_audience_refuses_at_once_who_was_known_and_downloads_no_keys() {
    let followed = Followed::start(OPEN).await;
    let token = followed.world.token();
    let elsewhere = TokenRequest { aud: Some("api://elsewhere".to_owned()), ..TokenRequest::default() };
    let other = followed.world.mint(&elsewhere);
    followed.expect("/open", &token, 200).await;
    followed.expect("/open", &other, 401).await;
    let downloads = followed.downloads();
    followed.change("    audiences: [api://elsewhere]", OPEN).await.unwrap();
    let reply = followed.world.get("/open", &token).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (401, "invalid_token"));
    followed.expect("/open", &other, 200).await;
    assert_eq!(followed.downloads(), downloads);
    followed.change("", OPEN).await.unwrap();
    followed.expect("/open", &token, 200).await;
    followed.expect("/open", &other, 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_algorithms_and_a_smaller_skew_refuse_at_once_who_was_known() {
    let followed = Followed::start(OPEN).await;
    let late = TokenRequest { lifetime: Some(-20), ..TokenRequest::default() };
    let (token, late) = (followed.world.token(), followed.world.mint(&late));
    followed.expect("/open", &token, 200).await;
    followed.expect("/open", &late, 200).await;
    followed.change("    clock_skew: 0s", OPEN).await.unwrap();
    followed.expect("/open", &late, 401).await;
    followed.expect("/open", &token, 200).await;
    followed.change("    algorithms: [ES256]", OPEN).await.unwrap();
    followed.expect("/open", &token, 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_refuses_who_was_known() {
    let followed = Followed::start(ORDERS).await;
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    let other = "22222222-2222-3333-4444-555555555555";
    let changed = text(&followed.world, "", ORDERS).replace("11111111-2222-3333-4444-555555555555", other);
    followed.change_to(&changed).await.unwrap();
    followed.expect("/orders", &token, 401).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_credential_is_used_and_nobody_has_to_be_verified_or_exchanged_again() {
    let followed = Followed::start(ORDERS).await;
    followed.world.keep_secret("second-secret-of-all");
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    followed.world.emulator.add_secret("second-secret-of-all");
    assert!(followed.world.emulator.withdraw_secret(SECRET, 7_000_222));
    let verified = followed.world.proxy.metric("obo_proxy_cache_lookups_total{cache=\"caller\",result=\"miss\"}").await;
    let changed = text(&followed.world, "", ORDERS).replace(SECRET, "second-secret-of-all");
    followed.change_to(&changed).await.unwrap();
    followed.expect("/orders", &token, 200).await;
    assert_eq!(followed.world.token_requests(), 1);
    assert_eq!(
        followed.world.proxy.metric("obo_proxy_cache_lookups_total{cache=\"caller\",result=\"miss\"}").await,
        verified
    );
    followed.expect("/orders", &followed.world.token_of("another"), 200).await;
    assert_eq!(followed.world.token_requests(), 2);
}

/// The identity of the usual world, and another one of this issuer.
fn with_another(world: &World, issuer: &str) -> String {
    const BOTH: &str = "
  - {name: orders, path: /orders, target: '{target}', identity: default, scopes: [api://orders-backend/Orders.Read]}
  - {name: other, path: /other, target: '{target}', identity: other, grant: none}
";
    let other = format!(
        "  other:\n    issuer: {issuer}\n    client_id: c\n    audiences: [ours]\n    credential: {{client_secret: {SECRET}}}"
    );
    text(world, &other, BOTH)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_without_keys_takes_nobodys_readiness_away() {
    let followed = Followed::start(ORDERS).await;
    let provider = Provider::start();
    let token = followed.world.token();
    followed.expect("/orders", &token, 200).await;
    followed.change_to(&with_another(&followed.world, &provider.url)).await.unwrap();
    assert_eq!(followed.world.proxy.admin("/readyz").await.0, 200);
    followed.expect("/orders", &token, 200).await;
    let claims = serde_json::json!({"iss": provider.url, "aud": "ours", "sub": "s", "exp": in_an_hour()});
    let theirs = Key::rsa(0).sign(serde_json::json!({"alg": "RS256", "kid": "k", "typ": "at+jwt"}), &claims);
    followed.world.keep_secret(&theirs);
    let reply = followed.world.get("/other", &theirs).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "idp_unavailable"));
    let keys = format!("{}/keys", provider.url);
    provider.publish("/keys", &jwks(&[Key::rsa(0).jwk("k")]));
    let discovery = serde_json::json!({"issuer": provider.url, "jwks_uri": keys});
    provider.publish("/.well-known/openid-configuration", &discovery);
    eventually("the keys are there", async || followed.world.get("/other", &theirs).await.status == 200).await;
    assert_eq!(followed.world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_identity_are_loaded_before_it_serves() {
    let (followed, realm) = (Followed::start(ORDERS).await, "demo");
    let issuer = followed.world.emulator.realm_url(realm);
    followed.change_to(&with_another(&followed.world, &issuer)).await.unwrap();
    let status = followed.status().await;
    let identities = status["identities"].as_array().unwrap();
    let keys: Vec<_> = identities.iter().map(|identity| identity["tenants"][0]["keys"].as_u64().unwrap()).collect();
    assert!(keys.len() == 2 && keys.iter().all(|keys| *keys > 0), "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn smaller_caches_hold_at_once() {
    let followed = Followed::around(world_with(EmulatorOptions::default(), ORDERS).await, "", ORDERS).await;
    for user in ["a", "b", "c"] {
        followed.expect("/orders", &followed.world.token_of(user), 200).await;
    }
    let changed = format!("cache: {{max_entries: 1}}\n{}", text(&followed.world, "", ORDERS));
    followed.change_to(&changed).await.unwrap();
    for cache in ["caller", "token"] {
        let entries = format!("obo_proxy_cache_entries{{cache=\"{cache}\"}}");
        assert_eq!(followed.world.proxy.metric(&entries).await, 1.0, "{cache}");
    }
    assert_eq!(followed.status().await["caches"]["max_entries"], 1);
}
