//! What a refusal of a token endpoint means: by `error`, `suberror` and `claims`, and by the codes only where Entra
//! reports different things under one name.

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::aadsts::{self, Act};
use super::error::{ExchangeError, IdpRefusal};
use super::retry_after;

/// What was asked for: the same words mean different things of different grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Something on behalf of a caller, by token A or by a refresh token.
    OnBehalfOf,
    /// The exchange of token A by RFC 8693.
    TokenExchange,
    /// Something for ourselves: nothing that is refused is any caller's fault.
    ClientCredentials,
    /// A token of the target's own token endpoint, which knows nothing of the identity provider's codes.
    SamlBearer,
}

/// Reads an answer that is not 200.
pub(super) fn read(
    status: StatusCode,
    headers: &HeaderMap,
    members: Option<&Map<String, Value>>,
    asked: Asked,
) -> ExchangeError {
    let refusal = members.map(refusal).unwrap_or_default();
    if status == StatusCode::TOO_MANY_REQUESTS {
        // Without a time nobody knows whom it concerns: this caller alone is held back then.
        let retry_after = retry_after::read(headers);
        return ExchangeError::Throttled { whole_client: retry_after.is_some(), retry_after, refusal };
    }
    if status.is_server_error() {
        let cause = format!("token endpoint answered {} {:?}", status.as_u16(), refusal.error_codes);
        return ExchangeError::Unavailable { cause, answered: true, retry_after: retry_after::read(headers) };
    }
    if refusal.error.is_empty() {
        return nonsense(status);
    }
    match (asked, members.and_then(claims)) {
        (Asked::OnBehalfOf | Asked::TokenExchange, Some(claims)) => ExchangeError::ClaimsChallenge { claims, refusal },
        (Asked::SamlBearer, _) => of_target(refusal),
        _ => of_provider(refusal, headers, asked),
    }
}

pub(super) fn nonsense(status: StatusCode) -> ExchangeError {
    ExchangeError::nonsense(format!("token endpoint answered {} without a usable body", status.as_u16()))
}

fn of_target(refusal: IdpRefusal) -> ExchangeError {
    match &*refusal.error {
        "invalid_grant" | "access_denied" => ExchangeError::Refused(refusal),
        _ => ExchangeError::Misconfigured(refusal),
    }
}

fn of_provider(refusal: IdpRefusal, headers: &HeaderMap, asked: Asked) -> ExchangeError {
    match (&*refusal.error, refusal.suberror.as_deref()) {
        ("temporarily_unavailable" | "server_error", _) => {
            return ExchangeError::nonsense(format!("token endpoint answered {}", refusal.error));
        }
        ("slow_down", _) => {
            return ExchangeError::Throttled { retry_after: retry_after::read(headers), whole_client: false, refusal };
        }
        _ => {}
    }
    let act = match (&*refusal.error, refusal.suberror.as_deref()) {
        (_, Some("consent_required")) | ("consent_required", _) => Act::Consent,
        (error, suberror) => aadsts::act(&refusal.error_codes).unwrap_or_else(|| by_name(error, suberror, asked)),
    };
    let act = if asked == Asked::ClientCredentials { for_ourselves(act) } else { act };
    match act {
        Act::StepUp => ExchangeError::InteractionRequired(refusal),
        Act::Consent => ExchangeError::ConsentRequired(refusal),
        Act::NewToken => ExchangeError::BadToken(refusal),
        Act::Refused => ExchangeError::Refused(refusal),
        Act::Operator => ExchangeError::Misconfigured(refusal),
        Act::Wait => ExchangeError::Throttled { retry_after: retry_after::read(headers), whole_client: false, refusal },
        Act::Passing => {
            let cause = format!("token endpoint answered {:?}", refusal.error_codes);
            ExchangeError::Unavailable { cause, answered: true, retry_after: retry_after::read(headers) }
        }
    }
}

/// RFC 6749 section 5.2, `OpenID` Connect Core section 3.1.2.6, RFC 8693 section 2.2.2, and Entra's `suberror`.
fn by_name(error: &str, suberror: Option<&str>, asked: Asked) -> Act {
    match (error, suberror) {
        ("invalid_grant", Some("bad_token" | "token_expired")) => Act::NewToken,
        ("invalid_grant", Some("basic_action" | "additional_action" | "user_password_expired"))
        | ("interaction_required" | "login_required", _) => Act::StepUp,
        // RFC 8693 has one word for a bad subject token and for a bad request.
        ("invalid_grant" | "invalid_request", _) if asked == Asked::TokenExchange => Act::NewToken,
        ("invalid_grant" | "access_denied", _) => Act::Refused,
        _ => Act::Operator,
    }
}

/// There is no caller behind a request for ourselves: what is refused, our operator has to mend.
fn for_ourselves(act: Act) -> Act {
    if matches!(act, Act::Wait | Act::Passing) { act } else { Act::Operator }
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

#[cfg(test)]
mod tests;
