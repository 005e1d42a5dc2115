//! From a reason to a response: status, challenge, headers and body, in one exhaustive match.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::Rejection;
use super::challenge::ChallengeOrigin;
use super::party::Party;
use crate::exchange::{ExchangeError, IdpRefusal};

/// A refusal as it goes to the caller.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The problem code; also the label of metrics and logs.
    pub code: &'static str,
    /// The header section.
    pub headers: HeaderMap,
    /// The body, `application/problem+json` (RFC 9457), or nothing for a gRPC caller.
    pub body: Bytes,
}

/// One row of the table of refusals.
struct Row {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    challenge: Challenge,
}

enum Challenge {
    None,
    Plain,
    InvalidToken,
    Error(&'static str),
    Scope(Vec<Box<str>>),
    Claims(String),
}

/// The body (RFC 9457 section 3). Its `type` is `about:blank` by omission; `code` tells the reasons apart.
#[derive(Serialize)]
struct Problem<'a> {
    status: u16,
    title: &'static str,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_codes: Option<&'a [u64]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
}

impl Rejection {
    /// The problem code of this reason.
    pub fn code(&self) -> &'static str {
        self.row().code
    }

    /// The response. `party` is that of the route, where one was found; `grpc` is the caller's `content-type` if it
    /// speaks gRPC, which wants its own status in place of a body.
    pub fn response(&self, party: Option<Party<'_>>, request_id: &str, grpc: Option<&HeaderValue>) -> Refusal {
        let row = self.row();
        let mut headers = self.common_headers(request_id);
        let origin = party.map(ChallengeOrigin::of);
        if let Some(challenge) = origin.and_then(|origin| row.challenge.text(&origin)) {
            insert(&mut headers, WWW_AUTHENTICATE, &challenge);
            insert(&mut headers, ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate");
        }
        if let Some(content_type) = grpc {
            headers.insert(CONTENT_TYPE, content_type.clone());
            insert(&mut headers, GRPC_STATUS, grpc_status(row.status));
            insert(&mut headers, GRPC_MESSAGE, row.title);
            return Refusal { status: StatusCode::OK, code: row.code, headers, body: Bytes::new() };
        }
        let body = self.body(&row, party, request_id);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LENGTH, body.len().into());
        Refusal { status: row.status, code: row.code, headers, body }
    }

    /// The trailers that end a gRPC call whose answer has begun.
    pub fn grpc_trailers(&self) -> HeaderMap {
        let row = self.row();
        let mut trailers = HeaderMap::with_capacity(2);
        insert(&mut trailers, GRPC_STATUS, grpc_status(row.status));
        insert(&mut trailers, GRPC_MESSAGE, row.title);
        trailers
    }

    fn common_headers(&self, request_id: &str) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        insert(&mut headers, REQUEST_ID, request_id);
        if let Self::MethodNotAllowed(allowed) = self {
            insert(&mut headers, ALLOW, allowed);
        }
        if let Some(wait) = self.retry_after() {
            headers.insert(RETRY_AFTER, whole_seconds(wait).into());
        }
        headers
    }

    fn body(&self, row: &Row, party: Option<Party<'_>>, request_id: &str) -> Bytes {
        let refusal = if let Self::Exchange(error) = self { error.refusal() } else { None };
        let refusal = refusal.filter(|refusal| **refusal != IdpRefusal::default());
        let consent = matches!(self, Self::Exchange(ExchangeError::ConsentRequired(_)));
        let problem = Problem {
            status: row.status.as_u16(),
            title: row.title,
            code: row.code,
            request_id,
            consent_uri: party.filter(|_| consent).and_then(|party| party.tenant.consent_uri()),
            error: refusal.map(|refusal| &*refusal.error).filter(|error| !error.is_empty()),
            suberror: refusal.and_then(|refusal| refusal.suberror.as_deref()),
            error_codes: refusal.map(|refusal| &*refusal.error_codes),
            correlation_id: refusal.and_then(|refusal| refusal.correlation_id.as_deref()),
        };
        serde_json::to_vec(&problem).unwrap_or_default().into()
    }

    fn row(&self) -> Row {
        use StatusCode as S;
        match self {
            Self::NoRoute => row(S::NOT_FOUND, "no_route", "No route serves this request"),
            Self::MethodNotAllowed(_) => {
                row(S::METHOD_NOT_ALLOWED, "method_not_allowed", "The route does not serve this method")
            }
            Self::Ambiguous(_) => {
                row(S::BAD_REQUEST, "ambiguous_request", "The request could be read in more than one way")
            }
            Self::TargetTooLong => row(S::URI_TOO_LONG, "target_too_long", "The request target is too long"),
            Self::HeadersTooLarge => {
                row(S::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The header section is too large")
            }
            Self::BodyTooLarge => row(S::PAYLOAD_TOO_LARGE, "body_too_large", "The request body is too long"),
            Self::AmbiguousToken => Row {
                challenge: Challenge::Error("invalid_request"),
                ..row(S::BAD_REQUEST, "ambiguous_request", "The request carries more than one credential")
            },
            Self::MissingToken => Row {
                challenge: Challenge::Plain,
                ..row(S::UNAUTHORIZED, "missing_token", "The request carries no bearer token")
            },
            Self::InvalidToken(_) => invalid_token_row(),
            Self::RateLimited(_) => row(S::TOO_MANY_REQUESTS, "rate_limited", RATE_LIMITED),
            Self::AppOnlyToken => {
                row(S::FORBIDDEN, "app_only_token", "The route acts on behalf of users; this token has none")
            }
            Self::UserToken => {
                row(S::FORBIDDEN, "user_token", "The route serves applications on their own; this token is a user's")
            }
            Self::Lacking(_, scopes) => Row {
                challenge: Challenge::Scope(scopes.clone()),
                ..row(S::FORBIDDEN, "insufficient_scope", "The access token does not grant this")
            },
            Self::Exchange(error) => exchange_row(error),
            Self::NoKeys => row(S::SERVICE_UNAVAILABLE, "idp_unavailable", IDP_UNAVAILABLE),
            Self::TargetUnavailable => row(S::BAD_GATEWAY, "target_unavailable", "The target cannot be reached"),
            Self::TargetTimeout => row(S::GATEWAY_TIMEOUT, "target_timeout", "The target takes too long"),
            Self::TargetBusy => {
                row(S::SERVICE_UNAVAILABLE, "target_busy", "The target has too many requests under way")
            }
            Self::BrokenRequest => row(S::BAD_REQUEST, "broken_request", "The request is incomplete or malformed"),
            Self::Internal => row(S::INTERNAL_SERVER_ERROR, "internal_error", "The proxy failed"),
        }
    }
}

/// Rounded up: who comes back earlier comes in vain.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn exchange_row(error: &ExchangeError) -> Row {
    use StatusCode as S;
    match error {
        ExchangeError::ClaimsChallenge { claims, .. } => Row {
            challenge: Challenge::Claims(claims.clone()),
            ..row(S::UNAUTHORIZED, "claims_challenge", "The identity provider asks for more of the user")
        },
        ExchangeError::InteractionRequired(_) => Row {
            challenge: Challenge::Error("insufficient_user_authentication"),
            ..row(S::UNAUTHORIZED, "interaction_required", "The identity provider asks the user to sign in again")
        },
        ExchangeError::ConsentRequired(_) => {
            row(S::FORBIDDEN, "consent_required", "Nobody has consented to this access yet")
        }
        ExchangeError::Refused(_) => row(S::FORBIDDEN, "exchange_refused", "The identity provider refuses this user"),
        ExchangeError::BadToken(_) => invalid_token_row(),
        ExchangeError::Misconfigured(_) | ExchangeError::NoCredential(_) => {
            row(S::INTERNAL_SERVER_ERROR, "misconfigured", "The proxy is not set up correctly for this route")
        }
        ExchangeError::Throttled { .. } | ExchangeError::HeldBack { throttled: true, .. } => {
            row(S::SERVICE_UNAVAILABLE, "idp_throttled", "The identity provider asks to wait")
        }
        ExchangeError::Unavailable { .. } | ExchangeError::HeldBack { throttled: false, .. } => {
            row(S::SERVICE_UNAVAILABLE, "idp_unavailable", IDP_UNAVAILABLE)
        }
        ExchangeError::RateLimited(_) => row(S::TOO_MANY_REQUESTS, "rate_limited", RATE_LIMITED),
        ExchangeError::Timeout => row(S::GATEWAY_TIMEOUT, "idp_timeout", "The identity provider takes too long"),
    }
}

fn invalid_token_row() -> Row {
    Row {
        challenge: Challenge::InvalidToken,
        ..row(StatusCode::UNAUTHORIZED, "invalid_token", "The access token is not valid here")
    }
}

fn row(status: StatusCode, code: &'static str, title: &'static str) -> Row {
    Row { status, code, title, challenge: Challenge::None }
}

impl Challenge {
    fn text(&self, origin: &ChallengeOrigin) -> Option<String> {
        match self {
            Self::None => None,
            Self::Plain => Some(origin.plain()),
            Self::InvalidToken => Some(origin.invalid_token()),
            Self::Error(error) => Some(origin.error(error)),
            Self::Scope(scopes) => Some(origin.insufficient_scope(scopes)),
            Self::Claims(claims) => Some(origin.insufficient_claims(claims)),
        }
    }
}

/// The gRPC status for an HTTP status (gRPC's own mapping, with the finer codes where we know better).
fn grpc_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "3",
        StatusCode::UNAUTHORIZED => "16",
        StatusCode::FORBIDDEN => "7",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => "12",
        StatusCode::GATEWAY_TIMEOUT => "4",
        StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG
        | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        | StatusCode::TOO_MANY_REQUESTS => "8",
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => "14",
        _ => "13",
    }
}

/// A value that is no header value is left out; none that is written here can be.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

const RATE_LIMITED: &str = "The caller sends too many requests";
const IDP_UNAVAILABLE: &str = "The identity provider cannot be reached";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
