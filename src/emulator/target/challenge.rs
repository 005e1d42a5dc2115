//! Claims challenges in the form that Microsoft's client libraries parse.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::super::clock::unix_now;

/// Demands the authentication context that `/step-up` wants to see.
pub(super) fn step_up(authority: &str) -> String {
    value(authority, &json!({"access_token": {"acrs": {"essential": true, "value": STEP_UP_CONTEXT}}}))
}

/// Demands a token that is issued from now on.
pub(super) fn newer_token(authority: &str) -> String {
    value(authority, &json!({"access_token": {"nbf": {"essential": true, "value": unix_now().to_string()}}}))
}

fn value(authority: &str, claims: &Value) -> String {
    let claims = STANDARD.encode(claims.to_string());
    format!(
        r#"Bearer authorization_uri="{authority}/common/oauth2/v2.0/authorize", error="insufficient_claims", claims="{claims}""#
    )
}

/// The authentication context that `/step-up` wants to see.
pub(super) const STEP_UP_CONTEXT: &str = "c1";
