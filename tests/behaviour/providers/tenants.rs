//! Callers of several tenants: those that are listed, each with keys of its own.

use obo_proxy::caller::InvalidToken as Bad;
use serde_json::json;

use super::{ONE, TWO, Tenant, V1, V1_KEYS, V2, V2_KEYS, assert_accepted, assert_refused, world};
use crate::support::provider::{Key, Provider};
use crate::support::refusal::Refusal;
use crate::support::{World, eventually};

/// A proxy for callers of both tenants, which have keys of their own under one name and have been loaded.
async fn two_tenants(provider: &Provider) -> (World, [Tenant<'_>; 2]) {
    let tenants = [ONE, TWO].map(|id| Tenant { provider, id });
    for (tenant, key) in tenants.iter().zip([Key::rsa(0), Key::rsa(1)]) {
        let own = key.jwk("own");
        let shared_name = key.jwk_with("same", &json!({"issuer": format!("{}/{{tenantid}}/v2.0", provider.url)}));
        tenant.publish(&[shared_name, own.clone()], &[own]);
    }
    let world = started(provider, &format!("tenants: [{ONE}, {TWO}]")).await;
    eventually("both tenants are loaded", async || world.proxy.metric(LOADED).await >= 2.0).await;
    (world, tenants)
}

async fn started(provider: &Provider, tenants: &str) -> World {
    world(&["tenant_id: caller", tenants, &format!("authority: {}", provider.url)]).await
}

const LOADED: &str = "obo_proxy_key_refreshes_total{identity=\"default\",outcome=\"success\"}";

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_each_listed_tenant_are_accepted_by_its_own_keys() {
    let provider = Provider::start();
    let (world, [one, two]) = two_tenants(&provider).await;
    assert_accepted(&world, &one.token(&one.v2(), Key::rsa(0), "same")).await;
    assert_accepted(&world, &two.token(&two.v2(), Key::rsa(1), "same")).await;
    assert_accepted(&world, &one.token(&one.v1(), Key::rsa(0), "own")).await;
    assert_accepted(&world, &two.token(&two.v1(), Key::rsa(1), "own")).await;
    assert_eq!((one.hits(), two.hits()), ([1; 4], [1; 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_not_listed_is_refused_without_being_asked_for() {
    let provider = Provider::start();
    let (world, [one, _]) = two_tenants(&provider).await;
    let other = Tenant { provider: &provider, id: "33333333-2222-3333-4444-555555555555" };
    other.publish(&[Key::rsa(2).jwk("same")], &[]);
    let before = provider.total_hits();
    for (issuer, key) in [(other.v2(), 2), (other.v2(), 0), (one.v2(), 0)] {
        assert_refused(&world, &other.token(&issuer, Key::rsa(key), "same"), &Bad::Tenant("".into())).await;
    }
    assert_eq!((provider.total_hits(), world.target.total_hits()), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_does_not_vouch_for_callers_of_another() {
    let provider = Provider::start();
    let (world, [one, two]) = two_tenants(&provider).await;
    let forged = one.token(&one.v2(), Key::rsa(1), "same");
    assert_refused(&world, &forged, &Bad::Signature).await;
    let issued_by_two = one.token(&two.v2(), Key::rsa(1), "same");
    assert_refused(&world, &issued_by_two, &Bad::Issuer("".into())).await;
    let its_v1 = one.token(&two.v1(), Key::rsa(1), "own");
    assert_refused(&world, &its_v1, &Bad::Issuer("".into())).await;
    assert_eq!((one.hits(), two.hits(), world.target.total_hits()), ([1; 4], [1; 4], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_of_one_tenant_is_looked_for_there_alone() {
    let provider = Provider::start();
    let (world, [one, two]) = two_tenants(&provider).await;
    one.publish(&[Key::rsa(2).jwk("new")], &[]);
    assert_accepted(&world, &one.token(&one.v2(), Key::rsa(2), "new")).await;
    assert_refused(&world, &one.token(&one.v2(), Key::rsa(2), "newer"), &Bad::UnknownKey).await;
    assert_eq!((one.hits(), two.hits()), ([2; 4], [1; 4]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_cannot_be_reached_keeps_only_its_own_callers_waiting() {
    let provider = Provider::start();
    let (one, two) = (Tenant { provider: &provider, id: ONE }, Tenant { provider: &provider, id: TWO });
    one.publish(&[Key::rsa(0).jwk("k")], &[]);
    provider.answer(&two.path(V2), 503, "");
    let world = started(&provider, &format!("tenants: [{TWO}, {ONE}]")).await;
    world.proxy.wait_until_ready().await;
    assert_accepted(&world, &one.token(&one.v2(), Key::rsa(0), "k")).await;
    let waiting = two.token(&two.v2(), Key::rsa(1), "k");
    Refusal::idp_unavailable().check(&world, &world.get("/open", &waiting).await);
    two.publish(&[Key::rsa(1).jwk("k")], &[]);
    eventually("the tenant is asked again without a caller", async || two.hits()[1] == 1).await;
    eventually("its keys are in use", async || world.get("/open", &waiting).await.status == 200).await;
    assert_eq!(one.hits(), [1; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_token_is_sent_to_the_sign_in_of_any_organization() {
    let provider = Provider::start();
    let (world, _) = two_tenants(&provider).await;
    let reply = world.send(http::Method::GET, "/open", &[], "").await;
    let expected = format!("{}/organizations/oauth2/v2.0/authorize", provider.url);
    assert!(reply.challenge().contains(&format!("authorization_uri=\"{expected}\"")), "{}", reply.challenge());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tenants_are_asked_for_a_few_at_a_time() {
    let provider = Provider::start();
    let ids: Vec<_> = (0..200).map(|n| format!("{n:08}-2222-3333-4444-555555555555")).collect();
    for id in &ids {
        let key = Key::rsa(0).jwk("k");
        Tenant { provider: &provider, id }.publish(std::slice::from_ref(&key), std::slice::from_ref(&key));
    }
    let world = started(&provider, &format!("tenants: [{}]", ids.join(", "))).await;
    eventually("all tenants are loaded", async || world.proxy.metric(LOADED).await >= 200.0).await;
    for id in &ids {
        assert_eq!(Tenant { provider: &provider, id }.hits(), [1; 4]);
    }
    // Eight downloads, each of two documents at a time.
    assert!(provider.peak() <= 16, "{}", provider.peak());
    let (_, metrics) = world.proxy.admin("/metrics").await;
    assert!(metrics.contains("obo_proxy_signing_keys{identity=\"default\"} 200\n"), "{metrics}");
    let last = Tenant { provider: &provider, id: &ids[199] };
    assert_accepted(&world, &last.token(&last.v2(), Key::rsa(0), "k")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_in_capitals_is_the_same() {
    let provider = Provider::start();
    let id = "aaaaaaaa-2222-3333-4444-555555555555";
    let tenant = Tenant { provider: &provider, id };
    tenant.publish(&[Key::rsa(0).jwk("k")], &[]);
    let world = started(&provider, &format!("tenants: [{}]", id.to_uppercase())).await;
    world.proxy.wait_until_ready().await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(0), "k")).await;
    assert_eq!([V2, V2_KEYS, V1, V1_KEYS].map(|rest| provider.hits(&tenant.path(rest))), [1; 4]);
}
