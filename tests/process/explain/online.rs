//! `explain --online`: the keys, the signature, and one exchange in earnest.

use obo_proxy::emulator::{Fault, Policy, Signer, TokenRequest};

use super::Desk;
use crate::support::{CLIENT_ID, SECRET, TENANT_ID};

const ONLINE: &[&str] = &["--online"];

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_verified_and_exchanged_once() {
    let desk = Desk::open().await;
    let told = desk.ask("GET", "/orders/1", &desk.world.token(), ONLINE);
    told.expect(
        0,
        &[
            "ok issuer found \"",
            "ok signature verified with a key",
            "answer a token, in ",
            "token_type \"Bearer\"",
            "expires_in ",
            "scope \"api://orders-backend/Orders.Read\"",
            "request ID ",
            "forwarded GET ",
            "the target was not asked",
        ],
    );
    assert_eq!(desk.asked().2, 1);
    assert_eq!(desk.world.target.requests().len(), 0);
    assert!(!told.text.contains("eyJ"), "{}", told.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_consent_is_told_with_the_address_that_gives_it() {
    let desk = Desk::open().await;
    desk.world.emulator.set_policy(Policy { unconsented_scopes: vec!["Orders".to_owned()], ..Policy::default() });
    let consent = format!("{}/{TENANT_ID}/adminconsent?client_id={CLIENT_ID}", desk.world.emulator.url());
    desk.ask("GET", "/orders/1", &desk.world.token(), ONLINE).expect(
        1,
        &[
            "answer consent_required after ",
            "error invalid_grant",
            "suberror consent_required",
            "error_codes AADSTS65001",
            "correlation_id ",
            "hint open consent_uri as an administrator",
            &format!("consent {consent} (to be opened by an administrator)"),
            "refused 403 consent_required",
            "to mend it an administrator must open the consent address",
            "403 Forbidden",
        ],
    );
    assert_eq!(desk.asked().2, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_is_told_with_its_claims_and_challenge() {
    let desk = Desk::open().await;
    let told = desk.ask("GET", "/payroll/1", &desk.world.token(), ONLINE);
    told.expect(
        1,
        &[
            "answer claims_challenge after ",
            "claims {\"access_token\":{",
            "refused 401 claims_challenge",
            "to mend it the client must get a new token that satisfies the claims",
        ],
    );
    assert!(told.text.contains("error=\"insufficient_claims\", claims=\""), "{}", told.text);
    assert_eq!(desk.asked().2, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_told_with_a_hint_for_the_operator() {
    let desk = Desk::open_with(|text| text.replace(SECRET, "an-entirely-wrong-secret")).await;
    let told = desk.ask("GET", "/orders/1", &desk.world.token(), ONLINE);
    told.expect(
        1,
        &[
            "answer misconfigured after ",
            "error invalid_client",
            "error_codes AADSTS7000215",
            "hint the client secret is wrong: use the secret's value, not its ID",
            "refused 500 misconfigured",
        ],
    );
    assert!(!told.text.contains("an-entirely-wrong-secret"), "{}", told.text);
    assert_eq!(desk.asked().2, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_a_wrong_signature_is_not_exchanged() {
    let desk = Desk::open().await;
    let token = desk.world.emulator.mint_with(&TokenRequest::default(), Signer::Foreign);
    let told = desk.ask("GET", "/orders/1", &token, ONLINE);
    told.expect(1, &["FAILED signature token ", "answer not asked: the request is refused before", "refused 401 "]);
    assert_eq!(desk.asked().2, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_verified_all_the_same_and_not_exchanged() {
    let desk = Desk::open().await;
    let expired = desk.mint(&TokenRequest { lifetime: Some(-600), ..TokenRequest::default() });
    desk.ask("GET", "/orders/1", &expired, ONLINE).expect(1, &["FAILED times", "ok issuer", "ok signature"]);
    assert_eq!(desk.asked().2, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_provider_that_is_away_is_told() {
    let desk = Desk::open_with(|text| {
        let authority = text.lines().find(|line| line.contains("authority:")).unwrap().to_owned();
        text.replace(&authority, "    authority: http://127.0.0.1:9")
    })
    .await;
    desk.ask("GET", "/orders/1", &desk.world.token(), ONLINE).expect(
        1,
        &[
            "not checked signature the keys could not be downloaded: ",
            "refused 503 idp_unavailable",
            "to mend it the proxy must reach the identity provider",
            "retry-after: 5",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_cannot_steer_a_terminal_or_repeat_the_token() {
    let desk = Desk::open().await;
    let token = desk.world.token();
    let evil = format!("\u{1b}[2J\u{7} {token} {}", "x".repeat(100_000));
    desk.world.emulator.faults().add(Fault::token_member("scope", evil));
    let told = desk.ask("GET", "/orders/1", &token, ONLINE);
    told.expect(0, &["scope \"\\u{1b}[2J\\u{7} "]);
    assert!(!told.text.contains('\u{1b}') && told.text.len() < 10_000, "{}", told.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_exchanged() {
    let desk = Desk::open().await;
    desk.ask("GET", "/orders/1", "", ONLINE).expect(1, &["refused 401 missing_token", "answer not asked"]);
    assert_eq!(desk.asked().2, 0);
}
