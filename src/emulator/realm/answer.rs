//! The answers of a realm's token endpoint (RFC 8693, section 2.2).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use crate::emulator::{answer::Answer, refusal::Refusal};

/// A successful answer.
#[derive(Debug, Serialize)]
pub(super) struct Exchanged {
    pub(super) access_token: String,
    pub(super) issued_token_type: &'static str,
    pub(super) token_type: &'static str,
    pub(super) expires_in: u32,
    pub(super) scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RealmRefusal {
    pub(super) error: &'static str,
    why: String,
}

impl RealmRefusal {
    pub(super) fn request(why: impl Into<String>) -> Self {
        Self { error: "invalid_request", why: why.into() }
    }

    pub(super) fn target(why: &str) -> Self {
        Self { error: "invalid_target", why: why.to_owned() }
    }

    pub(super) fn scope(why: &str) -> Self {
        Self { error: "invalid_scope", why: why.to_owned() }
    }

    pub(super) fn grant(grant_type: &str) -> Self {
        Self { error: "unsupported_grant_type", why: format!("Unsupported grant_type {grant_type}") }
    }

    /// The HTTP answer to a request with these headers.
    pub(super) fn answer(&self, headers: &HeaderMap) -> Answer {
        let document = json!({"error": self.error, "error_description": self.why});
        if self.error != "invalid_client" {
            return Answer::json(StatusCode::BAD_REQUEST, &document).no_store();
        }
        let answer = Answer::json(StatusCode::UNAUTHORIZED, &document).no_store();
        if headers.contains_key(header::AUTHORIZATION) {
            return answer.header(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="realm""#));
        }
        answer
    }
}

/// What Entra calls by many names is one here.
impl From<Refusal> for RealmRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal.error().as_ref() {
            "invalid_request" => Self::request(refusal.sentence()),
            _ => Self { error: "invalid_client", why: "Invalid client or Invalid client credentials".to_owned() },
        }
    }
}
