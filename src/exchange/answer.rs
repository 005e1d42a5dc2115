//! What the answer of a token endpoint means: pure, total, and by `error`, `suberror` and `claims` alone.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::error::{ExchangeError, IdpRefusal};
use crate::idp::Answer;

/// A token as the identity provider granted it.
#[derive(Debug)]
pub(super) struct Granted {
    /// `Bearer` and the token.
    pub(super) header: HeaderValue,
    /// `expires_in`.
    pub(super) lifetime: Duration,
}

/// Reads an answer.
pub(super) fn read(answer: &Answer) -> Result<Granted, ExchangeError> {
    let document = serde_json::from_slice::<Value>(&answer.body).ok();
    let members = document.as_ref().and_then(Value::as_object);
    if answer.status == StatusCode::OK {
        return members.and_then(granted).ok_or_else(|| nonsense(answer.status));
    }
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(throttled(&answer.headers, members));
    }
    if answer.status.is_server_error() {
        return Err(server_error(answer, members));
    }
    Err(members.and_then(|members| refused(members, &answer.headers)).unwrap_or_else(|| nonsense(answer.status)))
}

fn granted(members: &Map<String, Value>) -> Option<Granted> {
    if !members.get("token_type")?.as_str()?.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let token = members.get("access_token")?.as_str()?;
    let visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let header = visible.then(|| HeaderValue::try_from(format!("Bearer {token}")).ok())??;
    Some(Granted { header, lifetime: lifetime(members.get("expires_in")) })
}

/// Seconds as a number or, from v1 endpoints, as text. Whatever else it is, the token is used once and not kept.
fn lifetime(expires_in: Option<&Value>) -> Duration {
    let seconds = match expires_in {
        Some(Value::Number(number)) => number.as_f64().unwrap_or(0.0),
        Some(Value::String(text)) => text.trim().parse::<u32>().map_or(0.0, f64::from),
        _ => 0.0,
    };
    Duration::try_from_secs_f64(seconds.clamp(0.0, f64::from(u32::MAX))).unwrap_or_default()
}

fn nonsense(status: StatusCode) -> ExchangeError {
    ExchangeError::Unavailable(format!("token endpoint answered {} without a usable body", status.as_u16()))
}

fn server_error(answer: &Answer, members: Option<&Map<String, Value>>) -> ExchangeError {
    let codes = members.map(refusal).map(|refusal| refusal.error_codes).unwrap_or_default();
    ExchangeError::Unavailable(format!("token endpoint answered {} {codes:?}", answer.status.as_u16()))
}

fn throttled(headers: &HeaderMap, members: Option<&Map<String, Value>>) -> ExchangeError {
    ExchangeError::Throttled { retry_after: retry_after(headers), refusal: members.map(refusal).unwrap_or_default() }
}

/// Seconds or a date (RFC 9110 section 10.2.3), at most an hour.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

fn refused(members: &Map<String, Value>, headers: &HeaderMap) -> Option<ExchangeError> {
    let refusal = refusal(members);
    if refusal.error.is_empty() {
        return None;
    }
    if let Some(claims) = claims(members) {
        return Some(ExchangeError::ClaimsChallenge { claims, refusal });
    }
    let has = |codes: &[u64]| refusal.error_codes.iter().any(|code| codes.contains(code));
    if has(&THROTTLE_CODES) {
        return Some(ExchangeError::Throttled { retry_after: retry_after(headers), refusal });
    }
    if has(&TRANSIENT_CODES) {
        return Some(ExchangeError::Unavailable(format!("token endpoint answered {:?}", refusal.error_codes)));
    }
    let (consent, bad_token, for_good) = (has(&CONSENT_CODES), has(&BAD_TOKEN_CODES), has(&REFUSED_CODES));
    Some(by_error(refusal, consent, bad_token, for_good))
}

/// `error` and `suberror` decide; the codes only tell apart what Entra reports under one name.
fn by_error(refusal: IdpRefusal, consent: bool, bad_token: bool, for_good: bool) -> ExchangeError {
    match (&*refusal.error, refusal.suberror.as_deref()) {
        (_, Some("consent_required")) | ("consent_required", _) => ExchangeError::ConsentRequired(refusal),
        ("temporarily_unavailable" | "server_error", _) => {
            ExchangeError::Unavailable(format!("token endpoint answered {}", refusal.error))
        }
        ("slow_down", _) => ExchangeError::Throttled { retry_after: None, refusal },
        _ if consent => ExchangeError::ConsentRequired(refusal),
        _ if bad_token => ExchangeError::BadToken(refusal),
        _ if for_good => ExchangeError::Refused(refusal),
        ("invalid_grant", Some("bad_token" | "token_expired")) => ExchangeError::BadToken(refusal),
        ("invalid_grant" | "interaction_required" | "login_required" | "access_denied", _) => {
            ExchangeError::Refused(refusal)
        }
        _ => ExchangeError::Misconfigured(refusal),
    }
}

/// The claims challenge: a JSON object, given as text or, by some, as itself. One that no header could carry is none.
fn claims(members: &Map<String, Value>) -> Option<String> {
    let text = match members.get("claims")? {
        Value::String(text) if serde_json::from_str::<Map<String, Value>>(text).is_ok() => text.clone(),
        Value::Object(object) => serde_json::to_string(object).ok()?,
        _ => return None,
    };
    (text.len() <= LONGEST_CLAIMS).then_some(text)
}

/// What may be passed on to a caller: short, plain words and numbers, never the description.
fn refusal(members: &Map<String, Value>) -> IdpRefusal {
    let word = |name| members.get(name).and_then(Value::as_str).filter(|text| is_plain(text)).map(Into::into);
    let codes = members.get("error_codes").and_then(Value::as_array);
    IdpRefusal {
        error: word("error").unwrap_or_default(),
        suberror: word("suberror"),
        error_codes: codes.into_iter().flatten().filter_map(Value::as_u64).take(8).collect(),
        correlation_id: word("correlation_id"),
    }
}

fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

/// The longest claims challenge that is passed on, in bytes.
const LONGEST_CLAIMS: usize = 4096;

/// The longest wait that is believed.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

const THROTTLE_CODES: [u64; 2] = [90055, 50196];
const TRANSIENT_CODES: [u64; 5] = [50033, 90006, 90024, 90033, 90090];
const CONSENT_CODES: [u64; 5] = [65001, 90094, 650_056, 650_057, 650_052];
const BAD_TOKEN_CODES: [u64; 6] = [50013, 500_131, 500_133, 50027, 240_002, 50173];
const REFUSED_CODES: [u64; 9] = [7_000_114, 50105, 50020, 50034, 51004, 90072, 500_212, 500_213, 16000];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        }
    }

    fn outcome(status: u16, body: &Value) -> &'static str {
        read(&answer(status, &body.to_string())).map_or_else(|error| error.outcome().0, |_| "granted")
    }

    fn error(error: &str, suberror: &str, codes: &[u64]) -> Value {
        json!({"error": error, "suberror": suberror, "error_codes": codes, "error_description": "AADSTS..."})
    }

    #[test]
    fn reads_the_success_of_the_article() {
        let body = json!({"token_type": "Bearer", "scope": "s", "expires_in": 3269, "ext_expires_in": 0, "access_token": "eyJ.x"});
        let granted = read(&answer(200, &body.to_string())).unwrap();
        assert_eq!(granted.header, "Bearer eyJ.x");
        assert_eq!(granted.lifetime, Duration::from_secs(3269));
    }

    #[test]
    fn a_lifetime_that_makes_no_sense_is_none_at_all() {
        for (expires_in, seconds) in [
            (json!(60), 60),
            (json!("60"), 60),
            (json!(-5), 0),
            (json!("-5"), 0),
            (json!(null), 0),
            (json!("soon"), 0),
            (json!([60]), 0),
            (json!(1e300), u64::from(u32::MAX)),
        ] {
            assert_eq!(lifetime(Some(&expires_in)).as_secs(), seconds, "{expires_in}");
        }
        assert_eq!(lifetime(None), Duration::ZERO);
    }

    #[test]
    fn a_success_without_a_usable_bearer_token_is_an_outage() {
        for body in [
            json!({}),
            json!([]),
            json!({"token_type": "Bearer", "expires_in": 1}),
            json!({"token_type": "Bearer", "access_token": ""}),
            json!({"token_type": "Bearer", "access_token": "a b"}),
            json!({"token_type": "Bearer", "access_token": "a\r\nX: y"}),
            json!({"token_type": "Bearer", "access_token": 5}),
            json!({"token_type": "DPoP", "access_token": "a"}),
            json!({"access_token": "a"}),
        ] {
            assert_eq!(outcome(200, &body), "unavailable", "{body}");
        }
        for (status, body) in [(200, ""), (200, "{"), (200, "<html>"), (302, ""), (400, "oops"), (404, "{}")] {
            assert_eq!(read(&answer(status, body)).unwrap_err().outcome().0, "unavailable", "{status} {body}");
        }
    }

    #[test]
    fn tells_apart_who_can_act() {
        for (error, expected) in [
            (error("interaction_required", "", &[50079]), "refused"),
            (error("invalid_grant", "consent_required", &[65001]), "consent_required"),
            (error("invalid_grant", "", &[65001]), "consent_required"),
            (error("access_denied", "", &[90094]), "consent_required"),
            (error("invalid_grant", "message_only", &[53003]), "refused"),
            (error("invalid_grant", "", &[50013]), "bad_token"),
            (error("invalid_grant", "", &[500_131]), "bad_token"),
            (error("invalid_grant", "", &[500_133]), "bad_token"),
            (error("invalid_request", "", &[50027]), "bad_token"),
            (error("invalid_grant", "", &[50173]), "bad_token"),
            (error("invalid_grant", "bad_token", &[]), "bad_token"),
            (error("unauthorized_client", "", &[7_000_114]), "refused"),
            (error("invalid_grant", "", &[50105]), "refused"),
            (error("invalid_request", "", &[16000]), "refused"),
            (error("invalid_client", "", &[7_000_215]), "misconfigured"),
            (error("invalid_client", "", &[7_000_222]), "misconfigured"),
            (error("unauthorized_client", "", &[700_016]), "misconfigured"),
            (error("invalid_scope", "", &[70011]), "misconfigured"),
            (error("invalid_resource", "", &[500_011]), "misconfigured"),
            (error("invalid_request", "", &[90002]), "misconfigured"),
            (error("unsupported_grant_type", "", &[70003]), "misconfigured"),
            (error("invalid_grant", "", &[50196]), "throttled"),
            (error("invalid_request", "", &[90055]), "throttled"),
            (error("temporarily_unavailable", "", &[]), "unavailable"),
            (error("invalid_request", "", &[90033]), "unavailable"),
            (error("something_new", "", &[]), "misconfigured"),
        ] {
            assert_eq!(outcome(400, &error), expected, "{error}");
        }
    }

    #[test]
    fn claims_decide_before_the_error_does() {
        let text = r#"{"access_token":{"polids":{"essential":true,"values":["9ab0"]}}}"#;
        for (name, suberror) in
            [("interaction_required", ""), ("invalid_grant", "basic_action"), ("invalid_grant", "message_only")]
        {
            let mut body = error(name, suberror, &[53003]);
            body["claims"] = json!(text);
            let Err(ExchangeError::ClaimsChallenge { claims, .. }) = read(&answer(400, &body.to_string())) else {
                panic!("{name}");
            };
            assert_eq!(claims, text);
        }
        let mut broken = error("interaction_required", "", &[50079]);
        broken["claims"] = json!("not json");
        assert_eq!(outcome(400, &broken), "refused");
    }

    #[test]
    fn a_throttle_may_be_plain_text_and_says_how_long() {
        let mut throttle = answer(429, "slow down please");
        throttle.headers.insert(RETRY_AFTER, HeaderValue::from_static("17"));
        let Err(ExchangeError::Throttled { retry_after, .. }) = read(&throttle) else { panic!() };
        assert_eq!(retry_after, Some(Duration::from_secs(17)));
        for (text, expected) in
            [("999999999", Some(3600)), ("-1", None), ("soon", None), ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0))]
        {
            throttle.headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            assert_eq!(super::retry_after(&throttle.headers).map(|wait| wait.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn an_outage_of_the_500_class_is_not_a_verdict_on_anybody() {
        assert_eq!(outcome(500, &error("invalid_grant", "", &[50013])), "unavailable");
        assert_eq!(outcome(503, &json!({})), "unavailable");
    }

    #[test]
    fn nothing_but_plain_words_is_passed_on() {
        let refusal = refusal(json!({"error": "a b<script>", "suberror": "x".repeat(65), "correlation_id": 5, "error_codes": [1, -1, "x", 2]}).as_object().unwrap());
        assert_eq!(refusal, IdpRefusal { error_codes: vec![1, 2], ..IdpRefusal::default() });
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(status in 100u16..600, body in ".{0,200}") {
            let _ = read(&answer(status, &body));
        }
    }
}
