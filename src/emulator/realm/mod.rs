//! A generic authorization server beside Entra, with the addresses of Keycloak: any realm exists.

mod answer;
mod exchange;
mod mint;
mod token;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, Response, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    answer::Answer,
    authority::Authority,
    doorway::Connection,
    fault::{self, Concern, Endpoint},
};

pub use self::mint::RealmTokenRequest;
pub(super) use self::{exchange::TOKEN_EXCHANGE, mint::mint};

/// The routes of the realms.
pub(super) fn routes() -> Router<Arc<Authority>> {
    Router::new()
        .route("/realms/{realm}/.well-known/openid-configuration", get(metadata))
        .route("/realms/{realm}/protocol/openid-connect/certs", get(keys))
        .route("/realms/{realm}/protocol/openid-connect/token", post(token::token))
}

/// The issuer of a realm's tokens.
pub(super) fn issuer(authority: &Authority, realm: &str) -> String {
    format!("{}/realms/{realm}", authority.url)
}

async fn metadata(
    State(authority): State<Arc<Authority>>,
    connection: ConnectInfo<Connection>,
    Path(realm): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    authority.observations.count(|counters| counters.realm_discovery += 1);
    serve(&authority, &connection, Endpoint::RealmDiscovery, &realm, &headers, || document(&issuer(&authority, &realm)))
        .await
}

async fn keys(
    State(authority): State<Arc<Authority>>,
    connection: ConnectInfo<Connection>,
    Path(realm): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    authority.observations.count(|counters| counters.realm_keys += 1);
    serve(&authority, &connection, Endpoint::RealmKeys, &realm, &headers, || authority.realm.keys().lock().jwks(None))
        .await
}

async fn serve(
    authority: &Authority,
    connection: &Connection,
    endpoint: Endpoint,
    realm: &str,
    headers: &HeaderMap,
    document: impl FnOnce() -> Value,
) -> Response<Body> {
    let fault = authority.faults.take(&Concern::of(endpoint));
    fault::respond(fault, connection, headers, || {
        if is_name(realm) {
            Answer::json(StatusCode::OK, &document())
        } else {
            Answer::json(StatusCode::NOT_FOUND, &json!({"error": "Realm does not exist"}))
        }
    })
    .await
}

/// Whether a realm may have this name, so that it stands in a URL as it is.
fn is_name(realm: &str) -> bool {
    !realm.is_empty() && realm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn token_endpoint(issuer: &str) -> String {
    format!("{issuer}/protocol/openid-connect/token")
}

fn document(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/protocol/openid-connect/auth"),
        "token_endpoint": token_endpoint(issuer),
        "jwks_uri": format!("{issuer}/protocol/openid-connect/certs"),
        "grant_types_supported": [TOKEN_EXCHANGE],
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256", "RS256", "ES256"],
        "scopes_supported": ["openid", "offline_access"],
    })
}
