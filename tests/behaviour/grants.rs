//! What a target receives, by the grant of its route and the kind of caller.

use obo_proxy::emulator::{EmulatorOptions, Policy, RealmTokenRequest, TokenRequest};
use serde_json::json;

use crate::support::refusal::Refusal;
use crate::support::{Reply, SECRET, World};

const ROUTES: &str = r"
  - {name: users, path: /users, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - name: apps
    path: /apps
    target: '{target}'
    grant: client_credentials
    scopes: [api://orders-backend/.default]
    require: {roles: [Orders.Import]}
  - name: both
    path: /both
    target: '{target}'
    scopes: [api://orders-backend/Orders.Read]
    require: {scopes: [access_as_user]}
    app_only:
      scopes: [api://orders-backend/.default]
      require: {clients: [66667777-aaaa-2222-bbbb-3333cccc4444, 55556666-aaaa-2222-bbbb-3333cccc4444]}
  - name: bare
    path: /bare
    target: '{target}'
    scopes: [api://orders-backend/Orders.Read]
    app_only: {grant: none, require: {roles: [Orders.Import]}}
";

fn app(role: &str, client: &str) -> TokenRequest {
    TokenRequest { roles: vec![role.to_owned()], azp: Some(client.to_owned()), ..TokenRequest::app_only() }
}

const CLIENT: &str = "55556666-aaaa-2222-bbbb-3333cccc4444";

/// The claims of the token that the target got.
fn claims(reply: &Reply) -> serde_json::Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["authorization"]["claims"].clone()
}

fn app_only_refused() -> Refusal {
    Refusal::new(403, "app_only_token", "The route acts on behalf of users; this token has none")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_gets_our_own_token_where_the_route_says_so() {
    let world = World::with_routes(ROUTES).await;
    let token = world.mint(&app("Orders.Import", CLIENT));
    let claims = claims(&world.get("/apps", &token).await);
    assert_eq!((claims["idtyp"].as_str(), claims["aud"].as_str()), (Some("app"), Some("api://orders-backend")));
    assert_eq!(claims["azp"], "00001111-aaaa-2222-bbbb-3333cccc4444", "ours, not the caller's");
    let recorded = world.emulator.recorded();
    let form: Vec<_> = recorded[0].form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", SECRET),
        ("scope", "api://orders-backend/.default"),
    ];
    assert_eq!(form, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_token_is_one_for_all_applications() {
    let world = World::with_routes(ROUTES).await;
    for n in 0..5 {
        let token = world.mint(&app("Orders.Import", &format!("{n}5556666-aaaa-2222-bbbb-3333cccc4444")));
        claims(&world.get("/apps", &token).await);
    }
    assert_eq!((world.token_requests(), world.target.token_digests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_does_not_get_the_powers_of_the_application() {
    let world = World::with_routes(ROUTES).await;
    let user = TokenRequest { roles: vec!["Orders.Import".to_owned()], ..TokenRequest::default() };
    let title = "The route serves applications on their own; this token is a user's";
    Refusal::new(403, "user_token", title).check(&world, &world.get("/apps", &world.mint(&user)).await);
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_without_the_role_or_off_the_list_is_refused() {
    let world = World::with_routes(ROUTES).await;
    for (path, request) in [
        ("/apps", app("Orders.Read", CLIENT)),
        ("/both", app("Orders.Import", "00000000-aaaa-2222-bbbb-3333cccc4444")),
        ("/bare", app("Orders.Read", CLIENT)),
    ] {
        assert_eq!(world.get(path, &world.mint(&request)).await.code(), "insufficient_scope", "{path}");
    }
    app_only_refused().check(&world, &world.get("/users", &world.mint(&app("Orders.Import", CLIENT))).await);
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_serves_users_and_applications_differently() {
    let world = World::with_routes(ROUTES).await;
    let user = claims(&world.get("/both", &world.token()).await);
    assert_eq!((user["scp"].as_str(), user["idtyp"].as_str()), (Some("Orders.Read"), None));
    let app_token = world.mint(&app("Any.Role", CLIENT));
    let app = claims(&world.get("/both", &app_token).await);
    assert_eq!((app["scp"].as_str(), app["idtyp"].as_str()), (None, Some("app")));
    let counters = world.emulator.counters();
    assert_eq!((counters.granted("on_behalf_of"), counters.granted("client_credentials")), (1, 1));
    let reply = world.get("/bare", &world.mint(&self::app("Orders.Import", CLIENT))).await;
    assert_eq!((reply.status.as_u16(), reply.json()["authorization"].clone()), (200, json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_our_own_grant_is_no_callers_fault() {
    let policy = Policy::default();
    let world = World::with(EmulatorOptions { policy, ..EmulatorOptions::default() }, "", ROUTES).await;
    world.emulator.faults().add(obo_proxy::emulator::Fault::aadsts(65001));
    let reply = world.get("/apps", &world.mint(&app("Orders.Import", CLIENT))).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (500, "misconfigured"));
}

/// A world at a realm of an authorization server that is not Entra.
async fn realm(routes: &str) -> World {
    let emulator =
        obo_proxy::emulator::Emulator::start(crate::support::listener(), EmulatorOptions::default()).await.unwrap();
    let issuer = emulator.realm_url("sample");
    let (tenant, authority) =
        ("tenant_id: 11111111-2222-3333-4444-555555555555", format!("authority: {}", emulator.url()));
    let edit = |text: String| text.replace(tenant, &format!("issuer: {issuer}")).replace(&authority, "timeout: 10s");
    let world = World::around(emulator, "", routes, edit).await;
    world.proxy.wait_until_ready().await;
    world
}

const EXCHANGED: &str = r"
  - name: orders
    path: /orders
    target: '{target}'
    grant: token_exchange
    scopes: [orders.read]
    token_exchange:
      audience: [orders]
      requested_token_type: urn:ietf:params:oauth:token-type:access_token
  - {name: plain, path: /plain, target: '{target}', grant: token_exchange}
  - name: odd
    path: /odd
    target: '{target}'
    grant: token_exchange
    token_exchange: {resource: ['https://backend.example.com/api'], parameters: {organization: org_1}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_exchanged_by_rfc_8693() {
    let world = realm(EXCHANGED).await;
    let token = world.emulator.mint_realm(&RealmTokenRequest::default());
    world.keep_secret(&token);
    for _ in 0..3 {
        let claims = claims(&world.get("/orders", &token).await);
        assert_eq!((claims["aud"].clone(), claims["scope"].clone()), (json!("orders"), json!("orders.read")));
    }
    assert_eq!(world.emulator.counters().realm_token, 1);
    let recorded = world.emulator.recorded();
    let form: Vec<_> = recorded[0].form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", SECRET),
        ("subject_token", &*token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "orders"),
        ("scope", "orders.read"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    assert_eq!(form, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_needs_no_parameters_and_may_have_some_of_its_own() {
    let world = realm(EXCHANGED).await;
    let token = world.emulator.mint_realm(&RealmTokenRequest::default());
    world.keep_secret(&token);
    assert_eq!(world.get("/plain", &token).await.status, 200);
    assert_eq!(world.get("/odd", &token).await.status, 200);
    let recorded = world.emulator.recorded();
    assert_eq!(recorded[0].field("audience").or(recorded[0].field("scope")), None);
    assert_eq!(recorded[1].field("organization"), Some("org_1"));
    assert_eq!(recorded[1].field("resource"), Some("https://backend.example.com/api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_the_server_does_not_know_is_our_own_fault() {
    let world = realm(EXCHANGED).await;
    world.emulator.set_policy(Policy { refused_targets: vec!["orders".to_owned()], ..Policy::default() });
    let token = world.emulator.mint_realm(&RealmTokenRequest::default());
    world.keep_secret(&token);
    let reply = world.get("/orders", &token).await;
    assert_eq!((reply.code().as_str(), reply.json()["error"].as_str()), ("misconfigured", Some("invalid_target")));
}

#[tokio::test(flavor = "multi_thread")]
async fn entra_does_not_know_token_exchange_and_the_log_says_so() {
    let routes = "\n  - {path: /orders, target: '{target}', grant: token_exchange, scopes: [a]}\n";
    let world = World::with_routes(routes).await;
    let reply = world.get("/orders", &world.token()).await;
    assert_eq!((reply.code().as_str(), reply.json()["error_codes"][0].as_u64()), ("misconfigured", Some(70003)));
    let correlation = reply.json()["correlation_id"].as_str().unwrap().to_owned();
    let lines = crate::support::log::lines_with(&correlation);
    let remedy = lines.iter().find_map(|line| line["remedy"].as_str()).unwrap();
    assert!(remedy.contains("does not know this grant"), "{remedy}");
}
