//! What client libraries ask before they sign a user in: where an authority's metadata is, and what kind of account it is.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{Response, StatusCode},
};
use serde_json::json;

use super::{answer::Answer, authority::Authority, form::Form};

/// `GET /common/discovery/instance`: this host is an authority of its own, under no other name.
pub(super) async fn instance(State(authority): State<Arc<Authority>>, RawQuery(query): RawQuery) -> Response<Body> {
    authority.observations.count(|counters| counters.instance_discovery += 1);
    let query = Form::of_query(&query.unwrap_or_default());
    let tenant = query.find("authorization_endpoint").and_then(tenant_of).unwrap_or_else(|| "common".to_owned());
    let host = host(&authority.url);
    let document = json!({
        "tenant_discovery_endpoint": format!("{}/{tenant}/v2.0/.well-known/openid-configuration", authority.url),
        "api-version": query.find("api-version").unwrap_or("1.1"),
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    });
    Answer::json(StatusCode::OK, &document).into_response()
}

/// `GET /common/userrealm/{user}`: the provider signs every user in by itself.
pub(super) async fn user_realm(
    State(authority): State<Arc<Authority>>,
    Path((_, user)): Path<(String, String)>,
) -> Response<Body> {
    authority.observations.count(|counters| counters.user_realm += 1);
    let document = json!({
        "ver": "1.0", "account_type": "Managed", "domain_name": user.rsplit('@').next().unwrap_or(""),
        "cloud_instance_name": host(&authority.url), "cloud_audience_urn": "urn:federation:MicrosoftOnline",
    });
    Answer::json(StatusCode::OK, &document).into_response()
}

fn tenant_of(endpoint: &str) -> Option<String> {
    let endpoint = url::Url::parse(endpoint).ok()?;
    endpoint.path_segments()?.next().filter(|tenant| !tenant.is_empty()).map(str::to_owned)
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, host)| host)
}
