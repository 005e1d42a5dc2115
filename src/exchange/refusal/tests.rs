//! Who can act on a refusal: the table of errors, row by row.

use std::time::Duration;

use http::HeaderValue;
use http::header::RETRY_AFTER;
use serde_json::json;

use super::*;

fn read_as(asked: Asked, status: u16, body: &Value) -> ExchangeError {
    read(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_object(), asked)
}

fn outcome(body: &Value) -> &'static str {
    read_as(Asked::OnBehalfOf, 400, body).outcome().0
}

fn error(error: &str, suberror: &str, codes: &[u64]) -> Value {
    json!({"error": error, "suberror": suberror, "error_codes": codes, "error_description": "AADSTS..."})
}

/// Codes, the error and suberror that they come with, and what it means without claims.
const TABLE: [(&[u64], &str, &str, &str); 34] = [
    (&[50076, 50079, 50072, 50074, 50078, 50158], "interaction_required", "", "interaction_required"),
    (&[50076, 50079, 50072, 50074, 50078, 50158], "invalid_grant", "basic_action", "interaction_required"),
    (&[53000, 53001, 53002, 53003, 53004, 53010, 53011], "invalid_grant", "message_only", "refused"),
    (&[53000, 53003, 530_032, 530_034, 530_035], "interaction_required", "", "refused"),
    (&[65001], "invalid_grant", "consent_required", "consent_required"),
    (&[65001], "invalid_grant", "", "consent_required"),
    (&[], "consent_required", "", "consent_required"),
    (&[90094, 650_056, 650_057, 650_052], "access_denied", "", "consent_required"),
    (&[90094, 650_056, 650_057, 650_052], "invalid_client", "", "consent_required"),
    (&[50013, 500_131, 500_133], "invalid_grant", "", "bad_token"),
    (&[50027, 240_002], "invalid_request", "", "bad_token"),
    (&[50173], "invalid_grant", "", "bad_token"),
    (&[7_000_114], "unauthorized_client", "", "refused"),
    (&[50105, 50020, 50034, 51004, 90072, 500_212, 500_213, 16000], "invalid_grant", "", "refused"),
    (&[50105, 50020, 50034, 51004, 90072, 500_212, 500_213, 16000], "invalid_request", "", "refused"),
    (&[7_000_215, 7_000_222, 70002, 7_000_218, 700_025], "invalid_client", "", "misconfigured"),
    (&[700_027, 700_024, 7_000_214, 1_000_502, 7_000_274, 7_000_277], "invalid_client", "", "misconfigured"),
    (&[700_016, 7_000_229], "unauthorized_client", "", "misconfigured"),
    (&[700_016, 7_000_229], "invalid_client", "", "misconfigured"),
    (&[70021, 700_229], "invalid_request", "", "misconfigured"),
    (&[70021, 700_229], "invalid_grant", "", "misconfigured"),
    (&[70011, 28002, 28003, 700_022, 700_023], "invalid_scope", "", "misconfigured"),
    (&[500_011, 50001], "invalid_resource", "", "misconfigured"),
    (&[90002], "invalid_request", "", "misconfigured"),
    (&[70003], "unsupported_grant_type", "", "misconfigured"),
    (&[70043, 70008, 700_082, 70000], "invalid_grant", "bad_token", "bad_token"),
    (&[70043, 70008, 700_082, 70000], "invalid_grant", "token_expired", "bad_token"),
    (&[90055], "invalid_request", "", "throttled"),
    (&[50196], "invalid_grant", "", "throttled"),
    (&[50033, 90006, 90024, 90033, 90090], "invalid_request", "", "unavailable"),
    (&[], "temporarily_unavailable", "", "unavailable"),
    (&[], "server_error", "", "unavailable"),
    (&[], "slow_down", "", "throttled"),
    (&[], "something_new", "", "misconfigured"),
];

#[test]
fn every_row_of_the_table_says_who_can_act() {
    for (codes, name, suberror, expected) in TABLE {
        for code in codes.iter().map(std::slice::from_ref).chain(codes.is_empty().then_some(&[][..])) {
            assert_eq!(outcome(&error(name, suberror, code)), expected, "{name} {suberror} {code:?}");
        }
    }
}

#[test]
fn every_code_of_the_table_has_a_hint_and_a_label() {
    for code in TABLE.iter().flat_map(|(codes, ..)| *codes) {
        assert!(aadsts::hint(&[*code]).is_some(), "{code}");
        assert_eq!(aadsts::label(&[*code]), code.to_string());
    }
}

#[test]
fn claims_decide_before_anything_else_does() {
    let text = r#"{"access_token":{"polids":{"essential":true,"values":["9ab0"]}}}"#;
    for (name, suberror, code) in [
        ("interaction_required", "", 50079),
        ("invalid_grant", "basic_action", 50076),
        ("invalid_grant", "message_only", 53003),
        ("interaction_required", "", 53003),
    ] {
        let mut body = error(name, suberror, &[code]);
        body["claims"] = json!(text);
        let ExchangeError::ClaimsChallenge { claims, .. } = read_as(Asked::OnBehalfOf, 400, &body) else {
            panic!("{name}");
        };
        assert_eq!(claims, text);
    }
    let mut broken = error("interaction_required", "", &[50079]);
    for claims in
        [json!("not json"), json!("[]"), json!(5), json!(null), json!(format!("{{\"a\":\"{}\"}}", "x".repeat(5000)))]
    {
        broken["claims"] = claims;
        assert_eq!(outcome(&broken), "interaction_required");
    }
}

#[test]
fn what_no_caller_asked_for_is_no_callers_fault() {
    for name in ["invalid_grant", "access_denied", "interaction_required", "invalid_client", "invalid_scope"] {
        let mut body = error(name, "", &[65001]);
        body["claims"] = json!("{}");
        assert_eq!(read_as(Asked::ClientCredentials, 400, &body).outcome().0, "misconfigured", "{name}");
    }
    assert_eq!(read_as(Asked::ClientCredentials, 400, &error("x", "", &[90033])).outcome().0, "unavailable");
}

#[test]
fn token_exchange_has_words_of_its_own() {
    for (name, expected) in [
        ("invalid_request", "bad_token"),
        ("invalid_grant", "bad_token"),
        ("invalid_target", "misconfigured"),
        ("invalid_scope", "misconfigured"),
        ("invalid_client", "misconfigured"),
        ("unauthorized_client", "misconfigured"),
        ("access_denied", "refused"),
    ] {
        assert_eq!(read_as(Asked::TokenExchange, 400, &error(name, "", &[])).outcome().0, expected, "{name}");
    }
}

#[test]
fn a_target_speaks_for_itself_only() {
    let mut body = error("invalid_grant", "consent_required", &[65001]);
    body["claims"] = json!("{}");
    assert_eq!(read_as(Asked::SamlBearer, 400, &body).outcome().0, "refused");
    assert_eq!(read_as(Asked::SamlBearer, 401, &error("invalid_client", "", &[])).outcome().0, "misconfigured");
}

#[test]
fn a_throttle_may_be_plain_text_and_means_everybody_only_with_a_time() {
    let mut headers = HeaderMap::new();
    let throttled = |headers: &HeaderMap| read(StatusCode::TOO_MANY_REQUESTS, headers, None, Asked::OnBehalfOf);
    let refusal = IdpRefusal::default();
    let untimed = ExchangeError::Throttled { retry_after: None, whole_client: false, refusal: refusal.clone() };
    assert_eq!(throttled(&headers), untimed);
    headers.insert(RETRY_AFTER, HeaderValue::from_static("17"));
    let retry_after = Some(Duration::from_secs(17));
    assert_eq!(throttled(&headers), ExchangeError::Throttled { retry_after, whole_client: true, refusal });
}

#[test]
fn a_400_or_an_outage_with_a_time_concerns_one_caller() {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("17"));
    let body = error("invalid_request", "", &[90055]);
    let error = read(StatusCode::BAD_REQUEST, &headers, body.as_object(), Asked::OnBehalfOf);
    assert!(matches!(error, ExchangeError::Throttled { whole_client: false, retry_after: Some(_), .. }));
    let error = read(StatusCode::SERVICE_UNAVAILABLE, &headers, None, Asked::OnBehalfOf);
    assert!(matches!(error, ExchangeError::Unavailable { answered: true, retry_after: Some(_), .. }));
}

#[test]
fn an_outage_of_the_500_class_is_not_a_verdict_on_anybody() {
    let body = error("invalid_grant", "", &[50013]);
    assert_eq!(read_as(Asked::OnBehalfOf, 500, &body).outcome().0, "unavailable");
    assert_eq!(read_as(Asked::OnBehalfOf, 503, &json!({})).outcome().0, "unavailable");
}

#[test]
fn what_is_no_refusal_is_an_outage() {
    for (status, body) in [(302, json!(null)), (400, json!(null)), (404, json!({})), (400, json!({"error": 5}))] {
        assert_eq!(read_as(Asked::OnBehalfOf, status, &body).outcome().0, "unavailable", "{status} {body}");
    }
}

#[test]
fn nothing_but_plain_words_is_passed_on() {
    let members = json!({"error": "a b<script>", "suberror": "x".repeat(65), "correlation_id": 5, "error_codes": [1, -1, "x", 2]});
    let refusal = refusal(members.as_object().unwrap());
    assert_eq!(refusal, IdpRefusal { error_codes: vec![1, 2], ..IdpRefusal::default() });
}
