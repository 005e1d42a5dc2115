//! Which key vouches for which issuer: templates, keys that name their issuer, v1 and v2, and issuers of one's own.

use obo_proxy::caller::InvalidToken as Bad;
use serde_json::{Value, json};

use super::{ONE, TWO, Tenant, V1, V2, V2_KEYS, assert_accepted, assert_refused, world};
use crate::support::World;
use crate::support::eventually;
use crate::support::log::lines_with;
use crate::support::provider::{Key, Provider};

async fn started(provider: &Provider, further: &[&str]) -> World {
    let (tenant, authority) = (format!("tenant_id: {ONE}"), format!("authority: {}", provider.url));
    let world = world(&[&[tenant.as_str(), &authority], further].concat()).await;
    world.proxy.wait_until_ready().await;
    world
}

fn bound_to(issuer: &str) -> Value {
    json!({ "issuer": issuer })
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_one_version_do_not_sign_tokens_of_the_other() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: ONE };
    tenant.publish(&[Key::rsa(0).jwk("two")], &[Key::rsa(1).jwk("one")]);
    let world = started(&provider, &[]).await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(0), "two")).await;
    assert_accepted(&world, &tenant.token(&tenant.v1(), Key::rsa(1), "one")).await;
    assert_refused(&world, &tenant.token(&tenant.v1(), Key::rsa(0), "two"), &Bad::ForeignKey).await;
    assert_refused(&world, &tenant.token(&tenant.v2(), Key::rsa(1), "one"), &Bad::ForeignKey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_in_both_versions_signs_for_both() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: ONE };
    let template = format!("{}/{{tenantid}}/v2.0", provider.url);
    tenant.publish(&[Key::rsa(0).jwk_with("k", &bound_to(&template))], &[Key::rsa(0).jwk("k")]);
    let world = started(&provider, &[]).await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(0), "k")).await;
    assert_accepted(&world, &tenant.token(&tenant.v1(), Key::rsa(0), "k")).await;
    assert_eq!(tenant.hits(), [1; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_set_that_both_versions_name_is_fetched_once_and_vouches_for_both() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: ONE };
    let free = Key::rsa(0).jwk("free");
    let bound = Key::rsa(1).jwk_with("bound", &bound_to(&tenant.v2()));
    tenant.publish(&[free, bound], &[]);
    let jwks_uri = format!("{}{}", provider.url, tenant.path(V2_KEYS));
    provider.publish(&tenant.path(V1), &json!({"issuer": tenant.v1(), "jwks_uri": jwks_uri}));
    let world = started(&provider, &[]).await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(0), "free")).await;
    assert_accepted(&world, &tenant.token(&tenant.v1(), Key::rsa(0), "free")).await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(1), "bound")).await;
    assert_eq!(tenant.hits(), [1, 1, 1, 0]);
    assert_refused(&world, &tenant.token(&tenant.v1(), Key::rsa(1), "bound"), &Bad::ForeignKey).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_names_another_issuer_is_no_key_of_this_tenant() {
    let provider = Provider::start();
    let (tenant, other) = (Tenant { provider: &provider, id: ONE }, Tenant { provider: &provider, id: TWO });
    let foreign = Key::rsa(1).jwk_with("foreign", &bound_to(&other.v2()));
    let unfilled = Key::rsa(1).jwk_with("unfilled", &bound_to(&format!("{}/{{tenant}}/v2.0", provider.url)));
    tenant.publish(&[Key::rsa(0).jwk("own"), foreign, unfilled], &[]);
    let world = started(&provider, &[]).await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(0), "own")).await;
    for key_id in ["foreign", "unfilled"] {
        assert_refused(&world, &tenant.token(&tenant.v2(), Key::rsa(1), key_id), &Bad::UnknownKey).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_filled_in_and_compared_to_the_letter() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: ONE };
    tenant.publish(&[Key::rsa(0).jwk("k")], &[]);
    let world = started(&provider, &[]).await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(0), "k")).await;
    let (v2, url) = (tenant.v2(), &provider.url);
    let template = format!("{url}/{{tenantid}}/v2.0");
    for issuer in [template, format!("{v2}/"), v2.to_uppercase(), format!("{url}/{TWO}/v2.0"), String::new()] {
        assert_refused(&world, &tenant.token(&issuer, Key::rsa(0), "k"), &Bad::Issuer("".into())).await;
    }
    assert_eq!(tenant.hits(), [1; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_issuer_starts_no_download_even_with_an_unknown_key() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: ONE };
    tenant.publish(&[Key::rsa(0).jwk("k")], &[]);
    let world = started(&provider, &[]).await;
    let token = tenant.token("https://evil.example", Key::rsa(1), "unknown");
    assert_refused(&world, &token, &Bad::Issuer("".into())).await;
    assert_eq!(tenant.hits(), [1; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn issuers_of_ones_own_replace_those_of_discovery() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: ONE };
    tenant.publish(&[Key::rsa(0).jwk("k")], &[Key::rsa(0).jwk("k")]);
    let world = started(&provider, &["issuers: ['https://login.contoso.com/{tenantid}/v2.0/']"]).await;
    let own = format!("https://login.contoso.com/{ONE}/v2.0/");
    assert_accepted(&world, &tenant.token(&own, Key::rsa(0), "k")).await;
    for issuer in [tenant.v2(), tenant.v1(), format!("https://login.contoso.com/{TWO}/v2.0/")] {
        assert_refused(&world, &tenant.token(&issuer, Key::rsa(0), "k"), &Bad::Issuer("".into())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_v1_endpoint_v1_tokens_are_refused_and_v2_tokens_served() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: ONE };
    tenant.publish(&[Key::rsa(0).jwk("k")], &[]);
    provider.answer(&tenant.path(V1), 404, "");
    let world = started(&provider, &[]).await;
    assert_accepted(&world, &tenant.token(&tenant.v2(), Key::rsa(0), "k")).await;
    assert_refused(&world, &tenant.token(&tenant.v1(), Key::rsa(0), "k"), &Bad::Issuer("".into())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_can_sign_for_no_issuer_leave_the_proxy_not_ready_and_the_log_says_why() {
    let provider = Provider::start();
    let tenant = Tenant { provider: &provider, id: "44444444-2222-3333-4444-555555555555" };
    tenant.publish(&[Key::rsa(0).jwk_with("k", &bound_to("https://elsewhere.example"))], &[]);
    let (tenant_id, authority) = (format!("tenant_id: {}", tenant.id), format!("authority: {}", provider.url));
    let world = world(&[&tenant_id, &authority]).await;
    eventually("the download is tried again", async || provider.hits(&tenant.path(V2)) >= 2).await;
    assert_eq!(world.proxy.admin("/readyz").await.0, 503);
    let lines = lines_with(tenant.id);
    assert!(lines.iter().all(|line| line["reason"] == "keys: no key that could sign for the issuer"), "{lines:?}");
    assert!(!lines.is_empty());
}
