//! The HTTP control API under `/emulator/`, which offers what the in-process handle offers, and the page that lists it.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, Response, StatusCode, header},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

mod credentials;
mod help;
mod realm;

use self::help::help_text;
use super::{
    answer::Answer,
    authority::Authority,
    error_table::Row,
    fault::Fault,
    mint::{DEFAULT_USER_OID, TokenRequest},
    policy::Policy,
    signer::Signer,
};

/// The routes of the control API.
pub(super) fn routes() -> Router<Arc<Authority>> {
    Router::new()
        .route("/", get(help))
        .route("/emulator/tokens", get(mint_by_query).post(mint_by_json))
        .route("/emulator/realms/{realm}/tokens", get(realm::mint_by_query).post(realm::mint_by_json))
        .route("/emulator/counters", get(counters))
        .route("/emulator/requests", get(requests))
        .route("/emulator/requests/authorize", get(authorize_requests))
        .route("/emulator/requests/managed-identity", get(managed_identity_requests))
        .route("/emulator/credentials", get(credentials::list).post(credentials::change))
        .route("/emulator/federated", get(credentials::mint))
        .route("/emulator/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/emulator/errors", get(errors))
        .route("/emulator/policy", get(policy).post(set_policy))
        .route("/emulator/rotate", post(rotate))
        .route("/emulator/revoke", post(revoke))
        .route("/emulator/reset", post(reset))
        .fallback(not_found)
}

type Shared = State<Arc<Authority>>;

async fn help(State(authority): Shared) -> Response<Body> {
    Answer::text(StatusCode::OK, help_text(&authority)).into_response()
}

async fn not_found(State(authority): Shared) -> Response<Body> {
    Answer::text(StatusCode::NOT_FOUND, format!("There is nothing here.\n\n{}", help_text(&authority))).into_response()
}

async fn mint_by_json(
    State(authority): Shared,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let plain = wants_text(&query_pairs(query), &headers);
    answer_parsed(read_json::<TokenRequest>(&body), |request| minted(&authority, &request, plain))
}

async fn mint_by_query(State(authority): Shared, RawQuery(query): RawQuery, headers: HeaderMap) -> Response<Body> {
    let pairs = query_pairs(query);
    let plain = wants_text(&pairs, &headers);
    let request = query_wishes(pairs)
        .and_then(|wishes| serde_json::from_value::<TokenRequest>(wishes.into()).map_err(|error| error.to_string()));
    answer_parsed(request, |request| minted(&authority, &request, plain))
}

async fn counters(State(authority): Shared) -> Response<Body> {
    Answer::json(StatusCode::OK, &authority.observations.counters()).into_response()
}

async fn requests(State(authority): Shared) -> Response<Body> {
    Answer::json(StatusCode::OK, &authority.observations.recorded()).into_response()
}

async fn authorize_requests(State(authority): Shared) -> Response<Body> {
    Answer::json(StatusCode::OK, &authority.observations.authorize_requests()).into_response()
}

async fn managed_identity_requests(State(authority): Shared) -> Response<Body> {
    Answer::json(StatusCode::OK, &authority.observations.managed_identity_requests()).into_response()
}

async fn list_faults(State(authority): Shared) -> Response<Body> {
    Answer::json(StatusCode::OK, &authority.faults.list()).into_response()
}

async fn add_fault(State(authority): Shared, body: Bytes) -> Response<Body> {
    answer_parsed(read_json::<Fault>(&body), |fault| {
        authority.faults.add(fault);
        Answer::json(StatusCode::OK, &authority.faults.list())
    })
}

async fn clear_faults(State(authority): Shared) -> Response<Body> {
    authority.faults.clear();
    Answer::json(StatusCode::OK, &authority.faults.list()).into_response()
}

async fn errors() -> Response<Body> {
    Answer::json(StatusCode::OK, &Row::all()).into_response()
}

async fn policy(State(authority): Shared) -> Response<Body> {
    Answer::json(StatusCode::OK, &*authority.policy.lock()).into_response()
}

async fn set_policy(State(authority): Shared, body: Bytes) -> Response<Body> {
    answer_parsed(read_json::<Policy>(&body), |policy| {
        let answer = Answer::json(StatusCode::OK, &policy);
        *authority.policy.lock() = policy;
        answer
    })
}

async fn rotate(State(authority): Shared, body: Bytes) -> Response<Body> {
    let rotation = match read_json::<Rotation>(&body) {
        Ok(rotation) => rotation,
        Err(error) => return refused(&error),
    };
    // Generating a key takes long enough to hold up other requests.
    let rotated = tokio::task::spawn_blocking(move || authority.rotate_key(rotation.keep_old)).await;
    match rotated.map_err(io::Error::other).flatten() {
        Ok(kid) => Answer::json(StatusCode::OK, &json!({ "kid": kid })).into_response(),
        Err(error) => {
            Answer::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": error.to_string() })).into_response()
        }
    }
}

async fn revoke(State(authority): Shared, body: Bytes) -> Response<Body> {
    answer_parsed(read_json::<Revocation>(&body), |revocation| {
        let oid = revocation.oid.as_deref().unwrap_or(DEFAULT_USER_OID);
        match (revocation.downstream_only, revocation.refresh_tokens_only) {
            (false, false) => authority.revoke_all(oid),
            (downstream, refresh_tokens) => {
                downstream.then(|| authority.issuance.revoke_downstream(oid));
                refresh_tokens.then(|| authority.end_refresh_tokens(oid));
            }
        }
        Answer::json(StatusCode::OK, &json!({ "revoked": oid }))
    })
}

async fn reset(State(authority): Shared) -> Response<Body> {
    authority.reset();
    Answer::json(StatusCode::OK, &json!({})).into_response()
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Rotation {
    keep_old: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Revocation {
    oid: Option<String>,
    downstream_only: bool,
    refresh_tokens_only: bool,
}

fn minted(authority: &Authority, request: &TokenRequest, plain: bool) -> Answer {
    token_answer(authority.mint(request, Signer::Current), request.lifetime(), plain)
}

fn token_answer(token: String, lifetime: i64, plain: bool) -> Answer {
    if plain {
        Answer::text(StatusCode::OK, token + "\n").no_store()
    } else {
        let document = json!({"token_type": "Bearer", "expires_in": lifetime, "access_token": token});
        Answer::json(StatusCode::OK, &document).no_store()
    }
}

fn answer_parsed<T>(parsed: Result<T, String>, answer: impl FnOnce(T) -> Answer) -> Response<Body> {
    match parsed {
        Ok(value) => answer(value).into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &str) -> Response<Body> {
    Answer::json(StatusCode::BAD_REQUEST, &json!({ "error": error })).into_response()
}

/// Reads a JSON body, whatever its declared type; an empty one is an empty object.
fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn query_pairs(query: Option<String>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Whether the bare token is wanted: `?raw`, `?format=text`, or `Accept: text/plain`.
fn wants_text(query: &[(String, String)], headers: &HeaderMap) -> bool {
    let asked = query.iter().any(|(name, value)| name == "raw" || (name == "format" && value == "text"));
    asked || headers.get(header::ACCEPT).is_some_and(|accepted| accepted.as_bytes().starts_with(b"text/plain"))
}

/// The query as a JSON object, without what chooses the form of the answer.
fn query_wishes(pairs: Vec<(String, String)>) -> Result<Map<String, Value>, String> {
    let wishes = pairs.into_iter().filter(|(name, _)| !FORMAT_PARAMETERS.contains(&name.as_str()));
    wishes.map(query_wish).collect()
}

/// A query parameter as the JSON member of the same name: lists are separated by spaces or commas.
fn query_wish((name, value): (String, String)) -> Result<(String, Value), String> {
    let json = match name.as_str() {
        "lifetime" | "nbf" => value.parse::<i64>().map(Value::from).map_err(|error| format!("{name}: {error}"))?,
        "roles" | "acrs" | "xms_cc" | "remove" => {
            value.split([' ', ',']).filter(|part| !part.is_empty()).map(Value::from).collect()
        }
        "claims" | "header" => serde_json::from_str(&value).map_err(|error| format!("{name}: {error}"))?,
        _ => Value::String(value),
    };
    Ok((name, json))
}

/// Query parameters that choose the form of the answer.
const FORMAT_PARAMETERS: [&str; 2] = ["raw", "format"];
