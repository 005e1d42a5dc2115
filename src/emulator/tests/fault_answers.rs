//! What a fault puts in the place of an answer, in process and over HTTP.

use reqwest::Response;
use serde_json::{Value, json};

use super::support::{emulator, exchange, get, json as read, post_text, refusal, token_request, valid_form};
use crate::emulator::{AadstsError, CannedAnswer, Effect, Emulator, Endpoint, Fault, TokenRequest};

async fn send(emulator: &Emulator) -> Response {
    token_request(emulator).form(&valid_form(&emulator.mint(&TokenRequest::default()))).send().await.unwrap()
}

async fn refused(emulator: &Emulator) -> (u16, Value) {
    exchange(emulator, &emulator.mint(&TokenRequest::default())).await
}

/// Adds a fault over HTTP.
async fn add(emulator: &Emulator, fault: Value) {
    let response = post_text(format!("{}/emulator/faults", emulator.url()), fault.to_string()).await;
    assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
}

#[tokio::test]
async fn number_alone_decides_the_refusal() {
    let emulator = emulator().await;
    let invalid_grant = |suberror, code| (400, "invalid_grant", suberror, code);
    let cases = [
        (400, "interaction_required", None, 50_076),
        invalid_grant(Some("message_only"), 53_003),
        invalid_grant(Some("consent_required"), 65_001),
        invalid_grant(None, 500_133),
        invalid_grant(Some("bad_token"), 70_043),
        (401, "invalid_client", None, 7_000_222),
        (400, "unauthorized_client", None, 700_016),
        (400, "invalid_resource", None, 500_011),
        (429, "temporarily_unavailable", None, 90_055),
        (503, "temporarily_unavailable", None, 90_033),
    ];
    for expected in cases {
        let code = u32::try_from(expected.3).unwrap();
        emulator.faults().add(Fault::aadsts(code).times(1));
        assert_eq!(refusal(&refused(&emulator).await), expected);
        assert_eq!(emulator.counters().code(code), 1);
    }
    assert_eq!((emulator.counters().outcome("fault"), emulator.counters().exchanged()), (10, 0));
}

#[tokio::test]
async fn every_known_number_is_injected_as_the_list_says() {
    let emulator = emulator().await;
    let (_, rows) = read(get(format!("{}/emulator/errors", emulator.url())).await).await;
    for row in rows.as_array().unwrap() {
        add(&emulator, json!({"times": 1, "effect": {"aadsts": row["code"]}})).await;
        let (status, answer) = refused(&emulator).await;
        let found = (&answer["error"], answer.get("suberror"), answer["claims"].is_string());
        assert_eq!(found, (&row["error"], row.get("suberror"), row["claims"] == true), "{row}");
        assert_eq!((json!(status), &answer["error_codes"]), (row["status"].clone(), &json!([row["code"]])));
        for name in ["trace_id", "correlation_id", "timestamp", "error_description"] {
            assert!(answer[name].is_string(), "{name} of {row}");
        }
    }
}

#[tokio::test]
async fn injected_refusal_repeats_the_callers_correlation_id() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::aadsts(50_076));
    let id = uuid::Uuid::new_v4().to_string();
    let form = valid_form(&emulator.mint(&TokenRequest::default()));
    let request = token_request(&emulator).header("client-request-id", &id).form(&form);
    assert_eq!(read(request.send().await.unwrap()).await.1["correlation_id"], id);
}

#[tokio::test]
async fn parts_of_a_refusal_can_be_chosen() {
    let emulator = emulator().await;
    let chosen = AadstsError {
        status: Some(403),
        error: Some("interaction_required".to_owned()),
        suberror: Some("basic_action".to_owned()),
        claims: Some("{}".to_owned()),
        ..AadstsError::new(53_003)
    };
    emulator.faults().add(Fault::at(Endpoint::Token).effect(Effect::Aadsts(chosen)).times(1));
    let answer = refused(&emulator).await;
    assert_eq!(refusal(&answer), (403, "interaction_required", Some("basic_action"), 53_003));
    assert_eq!(answer.1["claims"], "{}");
    add(&emulator, json!({"effect": {"aadsts": {"code": 50_076, "claims": "", "suberror": "basic_action"}}})).await;
    let answer = refused(&emulator).await;
    assert_eq!((refusal(&answer).2, answer.1.get("claims")), (Some("basic_action"), None));
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let emulator = emulator().await;
    add(&emulator, json!({"lasting_ms": 60_000, "effect": {"throttle": {"date": true}}})).await;
    let response = send(&emulator).await;
    assert_eq!(response.status(), 429);
    assert!(httpdate::parse_http_date(response.headers()["retry-after"].to_str().unwrap()).is_ok());
}

#[tokio::test]
async fn any_body_of_any_type_can_be_sent() {
    let emulator = emulator().await;
    let cases = [
        (502, "text/html", "<html><body>Bad Gateway</body></html>"),
        (200, "text/plain", "{\"access_token\": \"x\"}"),
        (200, "application/json", ""),
        (200, "application/json", "{\"access_token\": "),
    ];
    for (status, content_type, body) in cases {
        add(
            &emulator,
            json!({"times": 1, "effect": {"answer": {
                "status": status, "headers": [["content-type", content_type]], "body": body,
            }}}),
        )
        .await;
        let response = send(&emulator).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (status, &content_type.parse().unwrap())
        );
        assert_eq!(response.text().await.unwrap(), body);
    }
}

#[tokio::test]
async fn body_may_be_shorter_than_its_announced_length() {
    let emulator = emulator().await;
    let headers = vec![("content-length".to_owned(), "100".to_owned())];
    let canned = CannedAnswer { status: 200, headers, body: "{\"access_token\": \"x\"".to_owned() };
    emulator.faults().add(Fault::at(Endpoint::Token).effect(Effect::Answer(canned)));
    let mut response = send(&emulator).await;
    assert_eq!(response.content_length(), Some(100));
    assert_eq!(response.chunk().await.unwrap().unwrap(), "{\"access_token\": \"x\"");
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn announced_length_that_is_too_short_is_corrected() {
    let emulator = emulator().await;
    emulator.faults().add(Fault::token_answer(200, &[("content-length", "1")], "{}"));
    assert_eq!(send(&emulator).await.text().await.unwrap(), "{}");
}

#[tokio::test]
async fn good_answer_may_be_padded_to_any_size() {
    let emulator = emulator().await;
    add(&emulator, json!({"effect": {"pad": 2_000_000}})).await;
    let text = send(&emulator).await.text().await.unwrap();
    assert_eq!(text.len(), 2_000_000);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["token_type"], "Bearer");
}

#[tokio::test]
async fn unknown_member_of_a_refusal_is_refused() {
    let emulator = emulator().await;
    for effect in [json!({"aadsts": "50076"}), json!({"aadsts": {"number": 1}}), json!({"aadsts": -1})] {
        let body = json!({"effect": effect}).to_string();
        let response = post_text(format!("{}/emulator/faults", emulator.url()), body.clone()).await;
        assert_eq!(response.status(), 400, "{body}");
    }
}
