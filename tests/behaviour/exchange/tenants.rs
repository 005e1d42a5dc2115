//! Identities of several tenants, and several identities: who is asked for whose token.

use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest};

use crate::support::{World, listener};

const ONE: &str = "11111111-2222-3333-4444-555555555555";
const TWO: &str = "22222222-2222-3333-4444-555555555555";

const ROUTES: &str = r"
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - name: apps
    path: /apps
    target: '{target}'
    grant: client_credentials
    scopes: [api://orders-backend/.default]
    require: {roles: [Orders.Import]}
";

async fn world() -> World {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let listed = format!("tenant_id: caller\n    tenants: [{ONE}, {TWO}]");
    let edit = |text: String| text.replace(&format!("tenant_id: {ONE}"), &listed);
    let world = World::around(emulator, "", ROUTES, edit).await;
    world.proxy.wait_until_ready().await;
    crate::support::eventually("both tenants are loaded", async || {
        world.proxy.metric("obo_proxy_key_refreshes_total{identity=\"default\",outcome=\"success\"}").await > 1.5
    })
    .await;
    world
}

fn of(tenant: &str, request: TokenRequest) -> TokenRequest {
    TokenRequest { tenant: Some(tenant.to_owned()), ..request }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_is_exchanged_at_the_callers_own_tenant() {
    let world = world().await;
    for tenant in [ONE, TWO] {
        let reply = world.get("/orders", &world.mint(&of(tenant, TokenRequest::default()))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["authorization"]["claims"]["tid"], tenant);
    }
    let asked: Vec<_> = world.emulator.recorded().into_iter().map(|request| request.tenant).collect();
    assert_eq!(asked, [ONE, TWO]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_our_own_is_kept_apart_for_each_tenant() {
    let world = world().await;
    let app = || TokenRequest { roles: vec!["Orders.Import".to_owned()], ..TokenRequest::app_only() };
    for tenant in [ONE, TWO, ONE, TWO] {
        let reply = world.get("/apps", &world.mint(&of(tenant, app()))).await;
        assert_eq!(reply.json()["authorization"]["claims"]["tid"], tenant, "{reply:?}");
    }
    let asked: Vec<_> = world.emulator.recorded().into_iter().map(|request| request.tenant).collect();
    assert_eq!(asked, [ONE, TWO]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_names_the_tenant_of_the_caller_or_that_of_all() {
    let world = world().await;
    let unknown = world.send(http::Method::GET, "/orders", &[], "").await;
    assert!(unknown.challenge().contains("/organizations/oauth2/v2.0/authorize\""), "{}", unknown.challenge());
    world.emulator.set_policy(obo_proxy::emulator::Policy {
        unconsented_scopes: vec!["Orders.Read".to_owned()],
        ..obo_proxy::emulator::Policy::default()
    });
    let reply = world.get("/orders", &world.mint(&of(TWO, TokenRequest::default()))).await;
    let expected =
        format!("{}/{TWO}/adminconsent?client_id=00001111-aaaa-2222-bbbb-3333cccc4444", world.emulator.url());
    assert_eq!(reply.json()["consent_uri"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_choose_among_several_identities() {
    let other = EmulatorOptions {
        client_id: "99991111-aaaa-2222-bbbb-3333cccc4444".to_owned(),
        client_secret: "another-emulator-secret".to_owned(),
        ..EmulatorOptions::default()
    };
    let other = Emulator::start(listener(), other).await.unwrap();
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let identity = format!(
        "  second:\n    tenant_id: {ONE}\n    client_id: 99991111-aaaa-2222-bbbb-3333cccc4444\n    \
         authority: {}\n    credential: {{client_secret: another-emulator-secret, auth_method: client_secret_basic}}",
        other.url()
    );
    let routes = r"
  - {path: /first, target: '{target}', identity: default, scopes: [api://orders-backend/Orders.Read]}
  - {path: /second, target: '{target}', identity: second, scopes: [api://orders-backend/Orders.Read]}
";
    let world = World::around(emulator, &identity, routes, |text| text).await;
    world.proxy.wait_until_ready().await;
    world.keep_secret("another-emulator-secret");
    let (first, second) = (world.token(), other.mint(&TokenRequest::default()));
    world.keep_secret(&second);
    for (path, token, status) in
        [("/first", &first, 200), ("/second", &second, 200), ("/first", &second, 401), ("/second", &first, 401)]
    {
        assert_eq!(world.get(path, token).await.status, status, "{path}");
    }
    assert_eq!((world.token_requests(), other.counters().token), (1, 1));
}
