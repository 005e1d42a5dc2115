//! Callers' tokens of realms.

use axum::{
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{HeaderMap, Response},
};
use serde_json::{Map, Value};

use super::{Shared, answer_parsed, query_pairs, query_wishes, token_answer, wants_text};
use crate::emulator::{answer::Answer, authority::Authority, realm, signer::Signer};

/// Mints a token as the parameters ask.
pub(super) async fn mint_by_query(
    State(authority): Shared,
    Path(realm): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response<Body> {
    let pairs = query_pairs(query);
    let plain = wants_text(&pairs, &headers);
    let minted = query_wishes(pairs).and_then(|wishes| minted(&authority, realm, wishes, plain));
    answer_parsed(minted, |answer| answer)
}

/// Mints a token as the JSON members ask.
pub(super) async fn mint_by_json(
    State(authority): Shared,
    Path(realm): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let plain = wants_text(&query_pairs(query), &headers);
    let minted = super::read_json(&body).and_then(|wishes| minted(&authority, realm, wishes, plain));
    answer_parsed(minted, |answer| answer)
}

fn minted(authority: &Authority, realm: String, mut wishes: Map<String, Value>, plain: bool) -> Result<Answer, String> {
    wishes.insert("realm".to_owned(), realm.into());
    let request: realm::RealmTokenRequest = serde_json::from_value(wishes.into()).map_err(|error| error.to_string())?;
    let token = realm::mint(authority, &request, Signer::Current);
    Ok(token_answer(token, request.lifetime(), plain))
}
