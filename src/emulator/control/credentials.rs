//! The registration's credentials, and workload tokens that stand for it.

use axum::{
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, Response, StatusCode},
};
use serde::Deserialize;

use super::{Shared, answer_parsed, query_pairs, read_json, token_answer, wants_text};
use crate::emulator::{
    answer::Answer,
    client::{FederatedCredential, TOKEN_EXCHANGE_AUDIENCE},
    options::DEFAULT_WORKLOAD,
    workload,
};

/// Lists the credentials.
pub(super) async fn list(State(authority): Shared) -> Response<Body> {
    Answer::json(StatusCode::OK, &authority.registry.inventory()).into_response()
}

/// Adds and withdraws credentials, and lists them.
pub(super) async fn change(State(authority): Shared, body: Bytes) -> Response<Body> {
    let changed = read_json::<Change>(&body).and_then(|change| {
        let registry = &authority.registry;
        if let Some(pem) = &change.add_certificate {
            registry.add_certificate(pem).map_err(|error| format!("add_certificate: {error}"))?;
        }
        change.add_secret.iter().for_each(|secret| registry.add_secret(secret));
        change.add_federated.into_iter().for_each(|credential| registry.add_federated(credential));
        let known = [
            change.withdraw_secret.map(|secret| registry.withdraw_secret(&secret, change.code.unwrap_or(7_000_215))),
            change.withdraw_certificate.map(|one| registry.withdraw_certificate(&one, change.code.unwrap_or(700_027))),
            change.withdraw_federated.map(|credential| registry.withdraw_federated(&credential)),
        ];
        if known.contains(&Some(false)) { Err("there is no such credential".to_owned()) } else { Ok(()) }
    });
    answer_parsed(changed, |()| Answer::json(StatusCode::OK, &authority.registry.inventory()))
}

/// A workload's token.
pub(super) async fn mint(State(authority): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Response<Body> {
    let pairs = query_pairs(query);
    let find = |name: &str| pairs.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str());
    let lifetime =
        find("lifetime").map_or(Ok(DEFAULT_LIFETIME), str::parse).map_err(|error| format!("lifetime: {error}"));
    answer_parsed(lifetime, |lifetime: i64| {
        let subject = find("subject").unwrap_or(DEFAULT_WORKLOAD);
        let audience = find("audience").unwrap_or(TOKEN_EXCHANGE_AUDIENCE);
        token_answer(workload::mint(&authority, subject, audience, lifetime), lifetime, wants_text(&pairs, &headers))
    })
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Change {
    add_secret: Option<String>,
    withdraw_secret: Option<String>,
    /// As PEM.
    add_certificate: Option<String>,
    /// By its thumbprint.
    withdraw_certificate: Option<String>,
    add_federated: Option<FederatedCredential>,
    withdraw_federated: Option<FederatedCredential>,
    /// The AADSTS number that meets who uses what is withdrawn.
    code: Option<u32>,
}

/// Seconds that a workload's token lives, as those that Kubernetes projects into a pod do.
const DEFAULT_LIFETIME: i64 = 3600;
