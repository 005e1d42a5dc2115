//! What must hold for any answer of a token endpoint: see `fuzzing`.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Map, Value};

use super::answer::{self, Expected, Granted};
use super::refusal::Asked;
use super::retry_after::LONGEST_WAIT;
use super::{ExchangeError, IdpRefusal};
use crate::idp::Answer;

/// Reads `STATUS`, header fields and a body, a blank line between them, as the answer to every kind of question; the
/// errors that came of it.
pub(crate) fn errors(data: &[u8]) -> Vec<ExchangeError> {
    let Some(answer) = parsed(data) else { return Vec::new() };
    let asked = [Asked::OnBehalfOf, Asked::TokenExchange, Asked::ClientCredentials, Asked::SamlBearer];
    let expected = [Expected::Bearer(None), Expected::Bearer(Some(JWT)), Expected::Saml(SAML)];
    let questions = asked.into_iter().flat_map(|asked| expected.map(|expected| (asked, expected)));
    questions.filter_map(|(asked, expected)| outcome(&answer, asked, expected)).collect()
}

fn outcome(answer: &Answer, asked: Asked, expected: Expected<'_>) -> Option<ExchangeError> {
    match answer::read(answer, asked, expected) {
        Ok(granted) => {
            assert_eq!(answer.status, StatusCode::OK, "only a 200 grants");
            check_granted(&granted, asked);
            None
        }
        Err(error) => {
            check_error(&error, asked);
            Some(error)
        }
    }
}

fn check_granted(granted: &Granted, asked: Asked) {
    let visible = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(visible(granted.token.expose()), "a token fits into a header");
    assert!(HeaderValue::from_str(&format!("Bearer {}", granted.token.expose())).is_ok(), "and makes a credential");
    let longest = Duration::from_secs(u64::from(u32::MAX));
    assert!(
        granted.lifetime <= longest && granted.refresh_in.unwrap_or_default() <= longest,
        "a time that can be added"
    );
    assert!(granted.refresh_in.is_none_or(|wait| !wait.is_zero()), "no renewal at once");
    let kept = granted.refresh_token.as_ref();
    assert!(
        kept.is_none_or(|token| asked == Asked::OnBehalfOf && visible(token.expose())),
        "a refresh token of a user"
    );
}

fn check_error(error: &ExchangeError, asked: Asked) {
    if let ExchangeError::ClaimsChallenge { claims, .. } = error {
        let object = serde_json::from_str::<Map<String, Value>>(claims);
        assert!(object.is_ok() && claims.len() <= 4096, "claims can be passed on: {claims}");
    }
    let for_ourselves = matches!(asked, Asked::ClientCredentials);
    assert!(!(for_ourselves && error.concerns_caller()), "a caller is blamed for what is ours: {error:?}");
    if let ExchangeError::Throttled { retry_after, .. } | ExchangeError::Unavailable { retry_after, .. } = error {
        assert!(retry_after.unwrap_or_default() <= LONGEST_WAIT, "a wait has a bound");
    }
    if let Some(refusal) = error.refusal() {
        check_refusal(refusal);
    }
}

fn check_refusal(refusal: &IdpRefusal) {
    let words = [Some(&refusal.error), refusal.suberror.as_ref(), refusal.correlation_id.as_ref()];
    for word in words.into_iter().flatten() {
        let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        assert!(plain && word.len() <= 64, "a word that may be passed on: {word}");
    }
    assert!(refusal.error_codes.len() <= 8, "a few codes");
}

fn parsed(data: &[u8]) -> Option<Answer> {
    let mut rest = data;
    let status = line(&mut rest)?;
    let status = StatusCode::from_bytes(status).ok()?;
    let mut headers = HeaderMap::new();
    while let Some((name, value)) = line(&mut rest).and_then(field) {
        headers.append(name, value);
    }
    Some(Answer { status, headers, body: Bytes::copy_from_slice(rest) })
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, tail) = rest.split_at(end);
    *rest = tail.get(1..).unwrap_or_default();
    Some(line)
}

fn field(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const SAML: &str = "urn:ietf:params:oauth:token-type:saml2";
