//! When a token is exchanged, and when a remembered one is used: asserted by what reached the identity provider.

mod capabilities;
mod crowd;
mod lifetime;
mod memory;
mod outage;
mod renewal;
mod tenants;
mod unauthorized;

use http::Method;
use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest};

use crate::support::{SECRET, World, listener};

/// Two routes with the same exchange, and one with another.
const ROUTES: &str = r"
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: archive, path: /archive, target: '{target}/archive', scopes: [api://orders-backend/Orders.Read]}
  - {name: writing, path: /writing, target: '{target}', scopes: [api://orders-backend/Orders.Write]}
  - {name: open, path: /open, target: '{target}', grant: none}
";

async fn world() -> World {
    World::with_routes(ROUTES).await
}

/// A request that is served; tells what the target saw.
async fn served(world: &World, path: &str, token: &str) -> serde_json::Value {
    let reply = world.get(path, token).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_is_that_of_the_protocol_and_nothing_else() {
    let world = world().await;
    let token = world.token();
    served(&world, "/orders", &token).await;
    let recorded = world.emulator.recorded();
    let form: Vec<_> = recorded[0].form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", "00001111-aaaa-2222-bbbb-3333cccc4444"),
        ("client_secret", SECRET),
        ("assertion", token.as_str()),
        ("scope", "api://orders-backend/Orders.Read"),
        ("requested_token_use", "on_behalf_of"),
    ];
    assert_eq!((recorded.len(), form.as_slice()), (1, &expected[..]));
    assert_eq!(recorded[0].tenant, "11111111-2222-3333-4444-555555555555");
    assert_eq!(recorded[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(recorded[0].header("authorization"), None);
    assert!(uuid::Uuid::try_parse(recorded[0].header("client-request-id").unwrap()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_scopes_are_asked_for_in_one_exchange() {
    let scopes = "api://orders-backend/Orders.Read, api://orders-backend/Orders.Write";
    let world =
        World::with_routes(&format!("\n  - {{path: /orders, target: '{{target}}', scopes: [{scopes}]}}\n")).await;
    let seen = served(&world, "/orders", &world.token()).await;
    assert_eq!(seen["authorization"]["claims"]["scp"], "Orders.Read Orders.Write");
    assert_eq!(world.emulator.recorded()[0].field("scope"), Some(&*scopes.replace(',', "")));
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_can_be_sent_by_http_basic_in_place_of_the_form() {
    let secret = "a:b%c+d é";
    let options = EmulatorOptions { client_secret: secret.to_owned(), ..EmulatorOptions::default() };
    let emulator = Emulator::start(listener(), options).await.unwrap();
    let credential = format!("client_secret: '{secret}', auth_method: client_secret_basic");
    let edit = |text: String| text.replace(&format!("client_secret: {SECRET}"), &credential);
    let world = World::around(emulator, "", ROUTES, edit).await;
    world.keep_secret(secret);
    world.proxy.wait_until_ready().await;
    served(&world, "/orders", &world.token()).await;
    let recorded = world.emulator.recorded();
    assert_eq!((recorded.len(), recorded[0].field("client_secret")), (1, None));
    assert!(recorded[0].header("authorization").unwrap().starts_with("Basic "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_request_uses_the_remembered_token() {
    let world = world().await;
    let token = world.token();
    let first = served(&world, "/orders", &token).await;
    let second = served(&world, "/orders/2", &token).await;
    assert_eq!(first["authorization"]["token_sha256"], second["authorization"]["token_sha256"]);
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 2));
    let remembered = world.proxy.metric("obo_proxy_cache_lookups_total{cache=\"token\",result=\"hit\"}").await;
    assert!((remembered - 1.0).abs() < 0.1, "{remembered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_callers_never_share_a_token() {
    let world = world().await;
    let (alice, bob) = (world.token_of("alice"), world.token_of("bob"));
    for (token, user) in [(&alice, "alice"), (&bob, "bob"), (&alice, "alice"), (&bob, "bob")] {
        assert_eq!(served(&world, "/orders", token).await["authorization"]["claims"]["oid"], user);
    }
    assert_eq!((world.token_requests(), world.target.token_digests().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_of_the_same_user_is_exchanged_anew() {
    let world = world().await;
    let (before, after) = (world.token(), world.mint(&TokenRequest::default().stepped_up("c1")));
    served(&world, "/orders", &before).await;
    let seen = served(&world, "/orders", &after).await;
    assert_eq!(seen["authorization"]["claims"]["acrs"][0], "c1");
    assert_eq!(world.token_requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_with_the_same_scopes_share_a_token() {
    let world = world().await;
    let token = world.token();
    served(&world, "/orders", &token).await;
    served(&world, "/archive", &token).await;
    assert_eq!((world.token_requests(), world.target.token_digests().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_with_other_scopes_do_not_share_a_token() {
    let world = world().await;
    let token = world.token();
    for (path, scope) in [("/orders", "Orders.Read"), ("/writing", "Orders.Write"), ("/orders", "Orders.Read")] {
        assert_eq!(served(&world, path, &token).await["authorization"]["claims"]["scp"], scope);
    }
    assert_eq!(world.token_requests(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_without_a_grant_forwards_no_credential() {
    let world = world().await;
    let seen = served(&world, "/open", &world.token()).await;
    assert!(seen["authorization"].is_null(), "{seen}");
    assert_eq!(world.token_requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_token_makes_room_when_the_cache_is_full() {
    // A line without indentation is a key of the whole file.
    let world = World::with(EmulatorOptions::default(), "cache: {max_entries: 3}", ROUTES).await;
    let tokens: Vec<_> = (0..4).map(|user| world.token_of(&format!("user-{user}"))).collect();
    for token in &tokens {
        served(&world, "/orders", token).await;
    }
    let entries =
        async |cache: &str| world.proxy.metric(&format!("obo_proxy_cache_entries{{cache=\"{cache}\"}}")).await;
    assert_eq!((entries("token").await, entries("caller").await), (3.0, 3.0));
    for (token, exchanges) in [(&tokens[3], 4), (&tokens[1], 4), (&tokens[0], 5), (&tokens[1], 6)] {
        served(&world, "/orders", token).await;
        assert_eq!(world.token_requests(), exchanges);
    }
    assert_eq!((entries("token").await, entries("caller").await), (3.0, 3.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_changes_nothing_about_the_exchange() {
    let world = world().await;
    let bearer = format!("Bearer {}", world.token());
    for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let reply = world.send(method.clone(), "/orders", &[("authorization", &bearer)], "").await;
        assert_eq!((reply.status.as_u16(), reply.json()["method"].as_str()), (200, Some(method.as_str())));
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 5));
}
