//! A target's 401: token B is forgotten; a claims challenge is the caller's, anything else gets one fresh exchange and
//! one repetition where the request can be sent again.

use std::sync::Arc;

use http::Method;
use obo_proxy::emulator::DEFAULT_USER_OID;

use super::{ROUTES, served, world};
use crate::support::raw::{self, RawTarget};
use crate::support::refusal::Refusal;
use crate::support::{Reply, World, at_once};

/// Exchanges and requests at the target so far.
fn counts(world: &World) -> (u64, u64) {
    (world.token_requests(), world.target.total_hits())
}

const UNAUTHORIZED: &[u8] = b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer error=\"invalid_token\"\r\n\
    connection: close\r\ncontent-length: 2\r\n\r\nno";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nyes";

/// A world whose target refuses its first request after reading it, and takes the next.
async fn refusing_once() -> (World, RawTarget) {
    let target = RawTarget::start(vec![UNAUTHORIZED.to_vec(), OK.to_vec()]).await;
    (World::with_routes(&ROUTES.replace("{target}", &target.url)).await, target)
}

async fn post(world: &World, body: &str) -> Reply {
    world.send(Method::POST, "/orders", &[("authorization", &format!("Bearer {}", world.token()))], body).await
}

/// The body of a request as it arrived.
fn body_of(request: &[u8]) -> &[u8] {
    let end = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &request[end + 4..]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_target_does_not_take_is_replaced_unnoticed() {
    let world = world().await;
    world.target.reject_next(1);
    served(&world, "/orders/revocable", &world.token()).await;
    assert_eq!(counts(&world), (2, 2));
    assert_eq!(world.target.token_digests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fresh_token_is_remembered() {
    let world = world().await;
    let token = world.token();
    world.target.reject_next(1);
    let first = served(&world, "/orders/revocable", &token).await;
    let second = served(&world, "/orders/revocable", &token).await;
    assert_eq!(first["authorization"]["token_sha256"], second["authorization"]["token_sha256"]);
    assert_eq!(counts(&world), (2, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_401_is_relayed_as_it_came_and_forgotten_as_well() {
    let world = world().await;
    let token = world.token();
    world.target.reject_next(2);
    let reply = world.get("/orders/revocable", &token).await;
    assert_eq!((reply.status.as_u16(), reply.text.as_str()), (401, "the target refuses the token\n"));
    assert_eq!(reply.challenge(), r#"Bearer error="invalid_token""#);
    assert_eq!(counts(&world), (2, 2));
    served(&world, "/orders/revocable", &token).await;
    assert_eq!(counts(&world), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_costs_a_crowd_one_exchange() {
    let world = Arc::new(world().await);
    let token = world.token();
    served(&world, "/orders/revocable", &token).await;
    world.emulator.revoke_downstream(DEFAULT_USER_OID);
    at_once(100, |_| {
        let (world, token) = (Arc::clone(&world), token.clone());
        async move { served(&world, "/orders/revocable", &token).await }
    })
    .await;
    assert_eq!(world.token_requests(), 2);
    assert_eq!(world.target.token_digests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_sign_in_was_revoked_learns_it_from_the_repetition() {
    let world = world().await;
    let token = world.token();
    served(&world, "/orders/revocable", &token).await;
    world.emulator.revoke(DEFAULT_USER_OID);
    let reply = world.get("/orders/revocable", &token).await;
    Refusal::invalid_token(&world).said_by_emulator(&world, "invalid_grant", None, 50173).check(&world, &reply);
    assert_eq!(counts(&world), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_for_the_caller_is_relayed_at_once_and_byte_for_byte() {
    for challenge in [
        "Bearer  authorization_uri=\"https://login.example/a\",error=\"insufficient_claims\" , claims=\"eyJhIjoxfQ==\"",
        "Bearer error=\"insufficient_user_authentication\", acr_values=\"c1\", max_age=5",
    ] {
        let world = world().await;
        let token = world.token();
        world.target.set_challenge(vec![challenge.to_owned()]);
        let reply = world.get("/orders/challenge", &token).await;
        assert_eq!((reply.status.as_u16(), reply.challenge()), (401, challenge));
        assert_eq!(reply.text, "the target wants more of the user\n");
        assert_eq!(counts(&world), (1, 1));
        served(&world, "/orders", &token).await;
        assert_eq!(counts(&world), (2, 2), "the challenged token is forgotten");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_answers_of_the_target_do_not_cost_a_token() {
    let world = world().await;
    let token = world.token();
    for status in [400, 403, 407, 429, 500, 503] {
        assert_eq!(world.get(&format!("/orders/status/{status}"), &token).await.status, status);
    }
    assert_eq!(counts(&world), (1, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_on_a_route_without_a_grant_is_relayed() {
    let world = world().await;
    let reply = world.get("/open/unauthorized", &world.token()).await;
    assert_eq!((reply.status.as_u16(), reply.challenge()), (401, r#"Bearer error="invalid_token""#));
    assert_eq!(counts(&world), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_body_is_sent_again_intact() {
    for length in [0, 1, 5_000, 65_536] {
        let (world, target) = refusing_once().await;
        let body: String = ('a'..='z').cycle().take(length).collect();
        let reply = post(&world, &body).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, "yes"), "{length} bytes");
        let received = target.received();
        assert_eq!((world.token_requests(), received.len()), (2, 2), "{length} bytes");
        assert!(received.iter().all(|request| body_of(request) == body.as_bytes()), "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_not_kept_is_not_sent_again() {
    for length in [65_537, 200_000] {
        let (world, target) = refusing_once().await;
        let reply = post(&world, &"x".repeat(length)).await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (401, "no"), "{length} bytes");
        assert_eq!(reply.challenge(), r#"Bearer error="invalid_token""#);
        assert_eq!((world.token_requests(), target.received().len()), (1, 1), "{length} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_forgotten_even_where_the_request_cannot_be_sent_again() {
    let (world, target) = refusing_once().await;
    let bearer = format!("Bearer {}", world.token());
    let send = async |body: &str| world.send(Method::POST, "/orders", &[("authorization", &bearer)], body).await.status;
    assert_eq!(send(&"x".repeat(200_000)).await, 401);
    assert_eq!(send("").await, 200);
    assert_eq!((world.token_requests(), target.received().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunked_body_is_sent_again_intact() {
    let world = world().await;
    world.target.reject_next(1);
    let request = format!(
        "POST /orders/revocable HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         transfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n",
        world.token()
    );
    let answer = String::from_utf8(raw::exchange(world.proxy.address(), request.as_bytes()).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"body_bytes\":7"), "{answer}");
    assert_eq!(counts(&world), (2, 2));
}
