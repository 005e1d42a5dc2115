//! `POST /realms/{realm}/protocol/openid-connect/token`.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, Response, StatusCode, Uri},
};

use super::{
    answer::{Exchanged, RealmRefusal},
    exchange::{self, TOKEN_EXCHANGE},
    is_name, issuer, token_endpoint,
};
use crate::emulator::{
    answer::Answer,
    authority::Authority,
    client::{self, Expected},
    doorway::Connection,
    fault::{self, Concern, Endpoint, Fault},
    form::Form,
    jwt,
    observations::RecordedRequest,
};

/// Answers a token request, or meets it with the fault that awaits it.
pub(super) async fn token(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(realm): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let form = Form::parse(&headers, &body);
    authority.observations.realm_request(RecordedRequest::new(uri.path(), &realm, &headers, &form));
    let fault = take_fault(&authority, &form);
    fault::respond(fault, &connection, &headers, || answer(&authority, &realm, &form, &headers)).await
}

fn take_fault(authority: &Authority, form: &Form) -> Option<Fault> {
    let claims = form.find("subject_token").and_then(jwt::unverified_claims).unwrap_or_default();
    let (scope, user) = (form.find("scope").unwrap_or(""), jwt::text(&claims, "sub"));
    let fault = authority.faults.take(&Concern { scope, oid: user, ..Concern::of(Endpoint::RealmToken) })?;
    if fault.replaces_answer() {
        authority.observations.count(|counters| counters.count_realm("fault"));
    }
    Some(fault)
}

fn answer(authority: &Authority, realm: &str, form: &Form, headers: &HeaderMap) -> Answer {
    let outcome = grant(authority, realm, form, headers);
    let label = outcome.as_ref().map_or_else(|refusal| refusal.error, |_| "ok");
    authority.observations.count(|counters| counters.count_realm(label));
    match outcome {
        Ok(exchanged) => Answer::json(StatusCode::OK, &exchanged).no_store(),
        Err(refusal) => refusal.answer(headers),
    }
}

fn grant(authority: &Authority, realm: &str, form: &Form, headers: &HeaderMap) -> Result<Exchanged, RealmRefusal> {
    if !is_name(realm) {
        return Err(RealmRefusal::request("Realm does not exist"));
    }
    form.refuse_repetition_except(&["audience", "resource"])?;
    let grant_type = form.require("grant_type")?;
    let issuer = issuer(authority, realm);
    let expected = Expected {
        audiences: vec![token_endpoint(&issuer), issuer],
        certificate_may_be_unnamed: true,
        may_be_federated: false,
    };
    client::authenticate(authority, &expected, form, headers)?;
    match grant_type {
        TOKEN_EXCHANGE => exchange::exchange(authority, realm, form),
        other => Err(RealmRefusal::grant(other)),
    }
}
