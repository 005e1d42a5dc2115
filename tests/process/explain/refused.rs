//! What it says of requests that are refused: the verdict, the answer that the caller gets, and what mends it.

use obo_proxy::emulator::TokenRequest;

use super::Desk;
use crate::support::{CLIENT_ID, get};

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_a_route_is_told_with_the_nearest_ones() {
    let desk = Desk::open().await;
    desk.ask("GET", "/payrol/5", "", &[]).expect(
        1,
        &[
            "none 404 no_route: no route serves this host and path",
            "nearest payroll (line ",
            "not checked token no route takes the request",
            "refused 404 no_route",
            "to mend it the caller must ask for a path",
            "404 Not Found",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_not_served_is_told_with_those_that_are() {
    let desk = Desk::open().await;
    desk.ask("DELETE", "/strict/5", "", &[]).expect(
        1,
        &[
            "none 405 method_not_allowed: DELETE is not served; served: GET",
            "its routes strict (line ",
            "405 Method Not Allowed",
            "allow: GET",
        ],
    );
    desk.ask("TRACE", "/orders/5", "", &[]).expect(1, &["none 405 method_not_allowed: TRACE is not served"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_request_is_told_with_the_reason() {
    let desk = Desk::open().await;
    for (method, url, reason) in [
        ("GET", "/orders/../payroll", "path has a dot segment"),
        ("GET", "https://api.contoso.com/orders%2f5", "path has an encoded slash"),
        ("GET", "//orders", "path has an empty segment"),
        ("GET", "/orders\u{1b}[2J", "path has"),
        ("get", "/orders", "method is not written in capitals"),
        ("GET", "https://a,b/orders", "host header is not a host"),
    ] {
        let told = desk.ask(method, url, &desk.world.token(), &[]);
        let refused = if url.contains('\u{1b}') { "request target has" } else { reason };
        told.expect(1, &[&format!("refused 400 ambiguous_request: {refused}"), "400 Bad Request"]);
        assert!(!told.text.contains('\u{1b}'));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_it_says_what_one_needs() {
    let desk = Desk::open().await;
    desk.ask("GET", "/strict/5", "", &[]).expect(
        1,
        &[
            "3. Token A (none given; this is what it needs)",
            &format!("audience one of \"{CLIENT_ID}\", \"api://{CLIENT_ID}\""),
            "tenant \"",
            "a user with scopes: \"strict.read\"; roles: \"Boss\"; client: \"someone\"",
            "assertion=<token A>",
            "refused 401 missing_token: no bearer token",
            "401 Unauthorized",
            "www-authenticate: Bearer authorization_uri=",
            "{\"status\":401,",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_token_has_its_verdict_and_its_remedy() {
    let desk = Desk::open().await;
    let usual = TokenRequest::default;
    for (path, wish, lines) in [
        (
            "/orders/1",
            TokenRequest { aud: Some("api://other".to_owned()), ..usual() },
            [
                "FAILED audience token was issued for another audience (aud): found \"api://other\"; accepted: ",
                "refused 401 invalid_token: token was issued for another audience (aud)",
                "to mend it the client must ask for an access token of ",
            ],
        ),
        (
            "/orders/1",
            TokenRequest { lifetime: Some(-600), ..usual() },
            [
                "FAILED times token has expired (exp): ends ",
                "refused 401 invalid_token: token has expired (exp)",
                "to mend it the client must get a new token",
            ],
        ),
        (
            "/orders/1",
            TokenRequest { tenant: Some("22222222-2222-3333-4444-555555555555".to_owned()), ..usual() },
            [
                "FAILED tenant token is for another tenant (tid): found \"22222222-",
                "refused 401 invalid_token",
                "to mend it the user must sign in to an accepted tenant",
            ],
        ),
        (
            "/orders/1",
            TokenRequest::id_token(),
            [
                "FAILED kind no access token",
                "refused 401 invalid_token",
                "to mend it the client must ask for an access",
            ],
        ),
        (
            "/orders/1",
            TokenRequest::app_only(),
            [
                "FAILED kind an application's own token (app-only)",
                "refused 403 app_only_token",
                "to mend it the client must send a user's token",
            ],
        ),
        (
            "/strict/1",
            usual(),
            [
                "FAILED scopes found \"access_as_user\"; required: \"strict.read\"",
                "refused 403 insufficient_scope: token lacks scope strict.read",
                "to mend it the client must ask for the scope \"strict.read\"",
            ],
        ),
        (
            "/strict/1",
            TokenRequest { scp: Some("strict.read".to_owned()), ..usual() },
            [
                "FAILED roles found none; required: \"Boss\"",
                "FAILED client found \"",
                "to mend it an administrator must assign the role \"Boss\"",
            ],
        ),
    ] {
        desk.ask("GET", path, &desk.mint(&wish), &[]).expect(1, &lines);
    }
    assert_eq!(desk.asked(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_is_told_by_its_form() {
    let desk = Desk::open().await;
    for (content, verdict) in [
        ("opaque\r\n", "FAILED form token is not a signed JWT of three parts"),
        ("a.b.c.d.e", "FAILED form token is encrypted (JWE)"),
        ("a b", "FAILED form token has characters that no bearer token may have"),
        ("a.b.c", "FAILED header token header is not a JSON object"),
        (&"a".repeat(40_000), "FAILED form token is longer than 32768 bytes"),
    ] {
        desk.ask("GET", "/orders/1", content, &[]).expect(1, &[verdict, "refused 401 invalid_token"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_verdict_is_told_and_not_only_the_first() {
    let desk = Desk::open().await;
    let wish = TokenRequest { aud: Some("api://other".to_owned()), lifetime: Some(-600), ..TokenRequest::app_only() };
    let told = desk.ask("GET", "/orders/1", &desk.mint(&wish), &[]);
    told.expect(
        1,
        &["FAILED audience", "FAILED times", "FAILED kind", "refused 401 invalid_token: token was issued for"],
    );
}

/// The answer that is told is the answer that is given, but for the request ID.
#[tokio::test(flavor = "multi_thread")]
async fn the_answer_is_the_one_that_the_proxy_gives() {
    let desk = Desk::open().await;
    let program = desk.world.serve("").await;
    let expired = desk.mint(&TokenRequest { lifetime: Some(-600), ..TokenRequest::default() });
    let app = desk.mint(&TokenRequest::app_only());
    for (path, token) in [("/orders/1", ""), ("/orders/1", &*expired), ("/orders/1", &app), ("/nowhere", &app)] {
        let told = desk.ask("GET", path, token, &[]);
        let reply = get(&format!("{}{path}", program.url), token).await.unwrap();
        let body = reply.text.replace(reply.header("x-request-id"), "00000000-0000-0000-0000-000000000000");
        assert!(told.says(&body), "{body} in\n{}", told.text);
        for name in ["www-authenticate", "content-type", "content-length", "cache-control"] {
            let line = format!("{name}: {}", reply.header(name));
            assert!(reply.header(name).is_empty() || told.says(&line), "{line} in\n{}", told.text);
        }
    }
}
