//! `GET /metadata/identity/oauth2/token`: the instance metadata endpoint of Azure, which gives a machine its own token.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{ConnectInfo, RawQuery, State},
    http::{HeaderMap, Response, StatusCode, Uri},
};
use serde_json::json;

use super::{
    answer::Answer,
    authority::Authority,
    clock::unix_now,
    doorway::Connection,
    fault::{self, Concern, Endpoint},
    form::Form,
    mint::{TokenVersion, issuer, members},
    observations::RecordedRequest,
};

/// The identity of the machine that the emulator runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// The client id, which a request may name. Default: `dddddddd-1111-2222-3333-eeeeeeeeeeee`.
    pub client_id: String,
    /// The `oid` and `sub` of its tokens. Default: [`DEFAULT_MANAGED_IDENTITY_OID`].
    pub principal_id: String,
    /// The lifetime of its tokens in seconds. Default: 86400.
    pub expires_in: u32,
}

impl Default for ManagedIdentity {
    fn default() -> Self {
        Self {
            client_id: "dddddddd-1111-2222-3333-eeeeeeeeeeee".to_owned(),
            principal_id: DEFAULT_MANAGED_IDENTITY_OID.to_owned(),
            expires_in: 86_400,
        }
    }
}

/// Answers a request, or meets it with the fault that awaits it.
pub(super) async fn token(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let query = Form::of_query(&query.unwrap_or_default());
    authority.observations.managed_identity_request(RecordedRequest::new(uri.path(), "", &headers, &query));
    let concern = Concern { scope: query.find("resource").unwrap_or(""), ..Concern::of(Endpoint::ManagedIdentity) };
    let fault = authority.faults.take(&concern);
    fault::respond(fault, &connection, &headers, || answer(&authority, &query, &headers)).await
}

fn answer(authority: &Authority, query: &Form, headers: &HeaderMap) -> Answer {
    match resource(authority, query, headers) {
        Ok(resource) => granted(authority, resource),
        Err(why) => {
            let document = json!({"error": "invalid_request", "error_description": why});
            Answer::json(StatusCode::BAD_REQUEST, &document)
        }
    }
}

/// The resource that is asked for, or why nothing is given.
fn resource<'q>(authority: &Authority, query: &'q Form, headers: &HeaderMap) -> Result<&'q str, &'static str> {
    // Both keep a server that can be made to fetch a URL from fetching this one.
    if headers.get("metadata").is_none_or(|value| !value.as_bytes().eq_ignore_ascii_case(b"true")) {
        return Err("Required metadata header not specified");
    }
    if headers.contains_key("x-forwarded-for") {
        return Err("The request was forwarded");
    }
    query.find("api-version").ok_or("The query lacks 'api-version'")?;
    let identity = &authority.options.managed_identity;
    let named = [("client_id", &identity.client_id), ("object_id", &identity.principal_id)];
    if named.into_iter().any(|(name, own)| query.find(name).is_some_and(|wanted| wanted != own)) {
        return Err("Identity not found");
    }
    query.find("resource").ok_or("The query lacks 'resource'")
}

/// The answer of Azure, whose numbers are strings.
fn granted(authority: &Authority, resource: &str) -> Answer {
    let (identity, now) = (&authority.options.managed_identity, unix_now());
    let expiry = now.saturating_add(identity.expires_in.into());
    let tenant = &authority.options.tenant_id;
    let claims = members(json!({
        "aud": resource, "iss": issuer(&authority.url, tenant, TokenVersion::V2), "iat": now, "nbf": now, "exp": expiry,
        "azp": identity.client_id, "azpacr": "2", "tid": tenant, "ver": "2.0", "oid": identity.principal_id,
        "sub": identity.principal_id, "idtyp": "app", "uti": authority.issuance.next_uti(),
    }));
    let document = json!({
        "access_token": authority.sign(&claims), "client_id": identity.client_id,
        "expires_in": identity.expires_in.to_string(), "expires_on": expiry.to_string(),
        "ext_expires_in": identity.expires_in.to_string(), "not_before": now.to_string(), "resource": resource,
        "token_type": "Bearer",
    });
    Answer::json(StatusCode::OK, &document).no_store()
}

/// The managed identity's principal, whose tokens may stand for the registration.
pub const DEFAULT_MANAGED_IDENTITY_OID: &str = "cccccccc-1111-2222-3333-dddddddddddd";
