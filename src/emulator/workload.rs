//! A workload issuer, as a Kubernetes cluster is one: tokens about service accounts, and the keys to verify them.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{Response, StatusCode},
};
use serde_json::json;
use uuid::Uuid;

use super::{answer::Answer, authority::Authority, clock::unix_now, mint::TokenRequest, signer::Signer};

/// A token about a workload, for `lifetime` seconds.
pub(super) fn mint(authority: &Authority, subject: &str, audience: &str, lifetime: i64) -> String {
    let now = unix_now();
    let expiry = now.saturating_add(lifetime);
    // A token that has expired was issued before it did.
    let issued = now.min(expiry.saturating_sub(1));
    let claims = json!({
        "iss": issuer(authority), "sub": subject, "aud": [audience], "iat": issued, "nbf": issued, "exp": expiry,
        "jti": Uuid::new_v4().to_string(),
    });
    let key = authority.workload.keys().lock().current();
    let header = TokenRequest::default().header(Signer::Current.algorithm(), key.kid());
    Signer::Current.sign(&serde_json::Value::Object(header).to_string(), &claims.to_string(), &key)
}

/// `GET /workload/.well-known/openid-configuration`
pub(super) async fn metadata(State(authority): State<Arc<Authority>>) -> Response<Body> {
    let issuer = issuer(&authority);
    let document = json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
    });
    Answer::json(StatusCode::OK, &document).into_response()
}

/// `GET /workload/keys`
pub(super) async fn keys(State(authority): State<Arc<Authority>>) -> Response<Body> {
    Answer::json(StatusCode::OK, &authority.workload.keys().lock().jwks(None)).into_response()
}

fn issuer(authority: &Authority) -> String {
    format!("{}/workload", authority.url)
}
