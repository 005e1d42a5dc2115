//! Metadata documents and key sets, in the versions 1.0 and 2.0 of the protocol.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, Response, StatusCode},
};
use serde_json::{Value, json};

use super::{
    answer::Answer,
    authority::Authority,
    doorway::Connection,
    fault::{self, Concern, Endpoint},
    grant::tenant_id,
    mint::{TokenVersion, issuer},
    refusal::Refusal,
};

/// `GET /{tenant}/.well-known/openid-configuration`
pub(super) async fn metadata_v1(
    State(authority): State<Arc<Authority>>,
    connection: ConnectInfo<Connection>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    authority.observations.count(|counters| counters.discovery_v1 += 1);
    serve(&authority, &connection, Endpoint::Discovery, &tenant, &headers, |tenant| {
        metadata(&authority.url, tenant, TokenVersion::V1)
    })
    .await
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`
pub(super) async fn metadata_v2(
    State(authority): State<Arc<Authority>>,
    connection: ConnectInfo<Connection>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    authority.observations.count(|counters| counters.discovery_v2 += 1);
    serve(&authority, &connection, Endpoint::Discovery, &tenant, &headers, |tenant| {
        metadata(&authority.url, tenant, TokenVersion::V2)
    })
    .await
}

/// `GET /{tenant}/discovery/keys`
pub(super) async fn keys_v1(
    State(authority): State<Arc<Authority>>,
    connection: ConnectInfo<Connection>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    authority.observations.count(|counters| counters.jwks += 1);
    serve(&authority, &connection, Endpoint::Jwks, &tenant, &headers, |_| authority.keys.lock().jwks(None)).await
}

/// `GET /{tenant}/discovery/v2.0/keys`
pub(super) async fn keys_v2(
    State(authority): State<Arc<Authority>>,
    connection: ConnectInfo<Connection>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    authority.observations.count(|counters| counters.jwks += 1);
    serve(&authority, &connection, Endpoint::Jwks, &tenant, &headers, |tenant| {
        let issuer = issuer(&authority.url, issuer_tenant(tenant), TokenVersion::V2);
        authority.keys.lock().jwks(Some(&issuer))
    })
    .await
}

async fn serve(
    authority: &Authority,
    connection: &Connection,
    endpoint: Endpoint,
    tenant: &str,
    headers: &HeaderMap,
    document: impl FnOnce(&str) -> Value,
) -> Response<Body> {
    let fault = authority.faults.take(&Concern::of(endpoint));
    fault::respond(fault, connection, headers, || match known_tenant(tenant) {
        Some(tenant) => Answer::json(StatusCode::OK, &document(&tenant)),
        None => Refusal::UnknownTenant(tenant.to_owned()).answer(headers),
    })
    .await
}

/// Tenants with a metadata document: every GUID, and the names that stand for many tenants.
fn known_tenant(tenant: &str) -> Option<String> {
    match tenant {
        "common" | "organizations" => Some(tenant.to_owned()),
        _ => tenant_id(tenant),
    }
}

/// The tenant in an issuer: of documents for many tenants a placeholder.
fn issuer_tenant(tenant: &str) -> &str {
    match tenant {
        "common" | "organizations" => "{tenantid}",
        _ => tenant,
    }
}

fn metadata(url: &str, tenant: &str, version: TokenVersion) -> Value {
    let (infix, keys) = match version {
        TokenVersion::V1 => ("oauth2", "discovery/keys"),
        TokenVersion::V2 => ("oauth2/v2.0", "discovery/v2.0/keys"),
    };
    let endpoint = |name: &str| format!("{url}/{tenant}/{infix}/{name}");
    json!({
        "issuer": issuer(url, issuer_tenant(tenant), version),
        "authorization_endpoint": endpoint("authorize"),
        "token_endpoint": endpoint("token"),
        "device_authorization_endpoint": endpoint("devicecode"),
        "end_session_endpoint": endpoint("logout"),
        "jwks_uri": format!("{url}/{tenant}/{keys}"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "acr", "nonce", "name", "tid", "ver"],
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "tenant_region_scope": "WW",
    })
}
