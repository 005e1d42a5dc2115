//! What a caller sees for each answer of the identity provider that is no token, and how often it was asked.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use obo_proxy::emulator::{Effect, EmulatorOptions, Endpoint, Fault, Policy, StepUpShape, TokenRequest};
use serde_json::{Value, json};

use crate::support::log::{access_line, lines_with};
use crate::support::refusal::Refusal;
use crate::support::{ROUTES, Reply, World};

/// A refusal of Entra's with everything that it sends.
fn entra_error(error: &str, codes: &[u64]) -> String {
    let description = "AADSTS1: emulator says where 10.1.2.3 is.\r\nTrace ID: 1";
    json!({
        "error": error, "error_description": description, "error_codes": codes, "timestamp": "2030-01-01 00:00:00Z",
        "trace_id": "0000aaaa-11bb-cccc-dd22-eeeeee333333", "correlation_id": "aaaa0000-bb11-2222-33cc-444444dddddd",
        "error_uri": "https://login.microsoftonline.com/error?code=1",
    })
    .to_string()
}

/// What of [`entra_error`] is passed on.
fn with_entra_error(refusal: Refusal, error: &str, codes: &[u64]) -> Refusal {
    let correlation_id = "aaaa0000-bb11-2222-33cc-444444dddddd";
    refusal.member("error", error).member("error_codes", codes).member("correlation_id", correlation_id)
}

/// A world whose token endpoint always answers with `fault`, and the proxy's answer to one request.
async fn refused_with(fault: Fault) -> (World, Reply) {
    let world = World::start().await;
    world.emulator.faults().add(fault);
    let reply = world.get("/orders", &world.token()).await;
    assert_eq!(world.target.total_hits(), 0);
    (world, reply)
}

/// A world that demands a step-up for payroll in this shape, and the proxy's answer to a caller without it.
async fn step_up_demanded(step_up_shape: StepUpShape, step_up_claims: Option<String>) -> (World, Reply) {
    let policy = Policy { step_up_shape, step_up_claims, ..Policy::default() };
    let world = World::with(EmulatorOptions { policy, ..EmulatorOptions::default() }, "", ROUTES).await;
    let reply = world.get("/payroll", &world.token()).await;
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 0));
    (world, reply)
}

fn claims_challenge(world: &World, claims: &str) -> Refusal {
    let parameters = format!(", error=\"insufficient_claims\", claims=\"{}\"", STANDARD.encode(claims));
    Refusal::new(401, "claims_challenge", "The identity provider asks for more of the user")
        .challenge(world, &parameters)
}

const STEP_UP_CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_in_the_documented_shape_becomes_a_claims_challenge() {
    let (world, reply) = step_up_demanded(StepUpShape::InteractionRequired, None).await;
    claims_challenge(&world, STEP_UP_CLAIMS)
        .said_by_emulator(&world, "interaction_required", None, 50079)
        .check(&world, &reply);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_in_the_live_shape_becomes_the_same_claims_challenge() {
    let (world, reply) = step_up_demanded(StepUpShape::BasicAction, None).await;
    claims_challenge(&world, STEP_UP_CLAIMS)
        .said_by_emulator(&world, "invalid_grant", Some("basic_action"), 50079)
        .check(&world, &reply);
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_with_awkward_characters_arrive_as_the_same_json_in_any_base64() {
    let claims = r#"{"access_token":{"polids":{"values":["a>b?c~","é\"\\,{}"],"essential":true}}}"#;
    assert!(STANDARD.encode(claims).contains(['+', '/']), "the fixture is not awkward");
    let (_world, reply) = step_up_demanded(StepUpShape::InteractionRequired, Some(claims.to_owned())).await;
    let encoded = reply.challenge().split("claims=\"").nth(1).unwrap().trim_end_matches('"');
    assert!(!encoded.contains(['+', '/', '-', '_']), "{encoded}");
    let decoded: Value = serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap();
    assert_eq!(decoded, serde_json::from_str::<Value>(claims).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_answers_the_claims_challenge_is_served() {
    let (world, _) = step_up_demanded(StepUpShape::InteractionRequired, None).await;
    let reply = world.get("/payroll", &world.mint(&TokenRequest::default().stepped_up("c1"))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!((world.token_requests(), world.target.total_hits()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_without_claims_asks_for_another_sign_in() {
    let (world, reply) =
        refused_with(Fault::token_answer(400, &[], &entra_error("interaction_required", &[50079]))).await;
    let expected = Refusal::new(401, "interaction_required", "The identity provider asks the user to sign in again")
        .challenge(&world, ", error=\"insufficient_user_authentication\"");
    with_entra_error(expected, "interaction_required", &[50079]).check(&world, &reply);
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_consent_comes_with_the_address_where_an_administrator_consents() {
    let policy = Policy { unconsented_scopes: vec!["Orders.Read".to_owned()], ..Policy::default() };
    let world = World::with(EmulatorOptions { policy, ..EmulatorOptions::default() }, "", ROUTES).await;
    let reply = world.get("/orders", &world.token()).await;
    let (authority, options) = (world.emulator.url(), world.emulator.options());
    let consent_uri = format!("{authority}/{}/adminconsent?client_id={}", options.tenant_id, options.client_id);
    Refusal::new(403, "consent_required", "Nobody has consented to this access yet")
        .member("consent_uri", consent_uri)
        .said_by_emulator(&world, "invalid_grant", Some("consent_required"), 65001)
        .check(&world, &reply);
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_refused_for_good_is_forbidden() {
    let (world, reply) = refused_with(Fault::token_answer(400, &[], &entra_error("invalid_grant", &[50105]))).await;
    let expected = Refusal::new(403, "exchange_refused", "The identity provider refuses this user");
    with_entra_error(expected, "invalid_grant", &[50105]).check(&world, &reply);
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_identity_provider_does_not_take_is_an_invalid_token() {
    let world = World::start().await;
    for code in [50013, 500_131, 500_133] {
        world.emulator.faults().add(Fault::token_answer(400, &[], &entra_error("invalid_grant", &[code])).times(1));
        let reply = world.get("/orders", &world.token()).await;
        with_entra_error(Refusal::invalid_token(&world), "invalid_grant", &[code]).check(&world, &reply);
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_revoked_sign_in_is_an_invalid_token() {
    let world = World::start().await;
    let token = world.token_of("mallory");
    world.emulator.revoke("mallory");
    let reply = world.get("/orders", &token).await;
    Refusal::invalid_token(&world).said_by_emulator(&world, "invalid_grant", None, 50173).check(&world, &reply);
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 0));
}

/// The refusal for a fault of ours, and its remedy in the log and nowhere else.
async fn check_misconfigured(world: &World, reply: &Reply, expected: Refusal, correlation_id: &str, remedy: &str) {
    expected.check(world, reply);
    let line = access_line(reply.header("x-request-id")).await;
    assert_eq!(line["correlation_id"].as_str(), Some(correlation_id));
    let mut lines = lines_with(correlation_id);
    lines.retain(|line| line["message"] != "request");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((lines[0]["level"].as_str(), lines[0]["remedy"].as_str()), (Some("ERROR"), Some(remedy)));
    assert!(!format!("{reply:?}").contains(remedy));
    assert_eq!(world.token_requests(), 1);
}

fn misconfigured() -> Refusal {
    Refusal::new(500, "misconfigured", "The proxy is not set up correctly for this route")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_of_ours_is_told_to_the_operator_only() {
    let options = EmulatorOptions { client_secret: "another-secret".to_owned(), ..EmulatorOptions::default() };
    let world = World::with(options, "", ROUTES).await;
    let reply = world.get("/orders", &world.token()).await;
    let expected = misconfigured().said_by_emulator(&world, "invalid_client", None, 7_000_215);
    let correlation_id = reply.json()["correlation_id"].as_str().unwrap().to_owned();
    let remedy = "the client secret is wrong: use the secret's value, not its ID";
    check_misconfigured(&world, &reply, expected, &correlation_id, remedy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_scope_of_ours_is_told_to_the_operator_only() {
    let correlation_id = uuid::Uuid::new_v4().to_string();
    let error = json!({"error": "invalid_scope", "error_codes": [70011], "correlation_id": correlation_id});
    let (world, reply) = refused_with(Fault::token_answer(400, &[], &error.to_string())).await;
    let expected = misconfigured()
        .member("error", "invalid_scope")
        .member("error_codes", vec![70011])
        .member("correlation_id", correlation_id.as_str());
    let remedy = "correct the scopes of the route: one resource, spelled as it is exposed";
    check_misconfigured(&world, &reply, expected, &correlation_id, remedy).await;
}

fn throttled() -> Refusal {
    Refusal::new(503, "idp_throttled", "The identity provider asks to wait")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_passes_on_how_long_to_wait() {
    let body = entra_error("invalid_request", &[90055]);
    let (world, reply) = refused_with(Fault::token_answer(429, &[("retry-after", "17")], &body)).await;
    with_entra_error(throttled().retry_after("17"), "invalid_request", &[90055]).check(&world, &reply);
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttle_in_plain_text_and_without_a_time_asks_to_wait_for_a_moment() {
    let (world, reply) = refused_with(Fault::token_answer(429, &[], "Too many requests from 10.1.2.3")).await;
    throttled().retry_after("5").check(&world, &reply);
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_tried_twice_and_told_as_unavailable() {
    let (entra, html) = (entra_error("invalid_grant", &[50013]), "<html><body>Our services aren't available</body>");
    let token = Fault::at(Endpoint::Token);
    let faults = [
        ("500 with an error document", Fault::token_answer(500, &[], &entra)),
        ("503 in HTML", Fault::token_answer(503, &[("content-type", "text/html")], html)),
        ("dropped connection", token.clone().effect(Effect::Drop)),
        ("body cut off", token.clone().effect(Effect::Cut)),
        ("half of the JSON", token.effect(Effect::Truncate)),
        ("success in HTML", Fault::token_answer(200, &[("content-type", "text/html")], html)),
        ("success without a body", Fault::token_answer(200, &[], "")),
        ("success without a token", Fault::token_without("access_token")),
        ("a token of another type", Fault::token_member("token_type", "DPoP")),
        ("a redirect", Fault::token_answer(302, &[("location", "https://elsewhere.example/token")], "")),
        ("400 without a document", Fault::token_answer(400, &[], "Bad Request")),
    ];
    for (name, fault) in faults {
        println!("{name}");
        let world = World::start().await;
        world.emulator.faults().add(fault);
        Refusal::idp_unavailable().check(&world, &world.get("/orders", &world.token()).await);
        assert_eq!((world.token_requests(), world.target.total_hits()), (2, 0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passing_fault_is_not_noticed_by_the_caller() {
    let world = World::start().await;
    let dropped = Fault::at(Endpoint::Token).effect(Effect::Drop);
    for (turn, fault) in (1..).zip([Fault::token_answer(503, &[], ""), dropped]) {
        world.emulator.faults().add(fault.times(1));
        assert_eq!(world.get("/orders", &world.token()).await.status, 200);
        assert_eq!((world.token_requests(), world.target.total_hits()), (2 * turn, turn));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_that_takes_too_long_is_a_gateway_timeout() {
    let world = World::with(EmulatorOptions::default(), "    timeout: 1s", ROUTES).await;
    world.emulator.faults().add(Fault::at(Endpoint::Token).delay(Duration::from_mins(1)));
    let reply = world.get("/orders", &world.token()).await;
    Refusal::new(504, "idp_timeout", "The identity provider takes too long").retry_after("5").check(&world, &reply);
    assert_eq!((world.token_requests(), world.target.total_hits()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slow_attempt_leaves_time_for_a_second_one() {
    let world = World::with(EmulatorOptions::default(), "    timeout: 4s", ROUTES).await;
    world.emulator.faults().add(Fault::at(Endpoint::Token).delay(Duration::from_mins(1)).times(1));
    assert_eq!(world.get("/orders", &world.token()).await.status, 200);
    assert_eq!((world.token_requests(), world.target.total_hits()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_forgotten_once_it_is_over() {
    let (world, reply) = refused_with(Fault::token_answer(503, &[], "").times(2)).await;
    Refusal::idp_unavailable().check(&world, &reply);
    assert_eq!(world.get("/orders", &world.token()).await.status, 200);
    assert_eq!((world.token_requests(), world.target.total_hits()), (3, 1));
}
