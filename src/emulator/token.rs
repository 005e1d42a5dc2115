//! `POST /{tenant}/oauth2/v2.0/token`.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, Response, StatusCode},
};

use super::{
    answer::Answer,
    authority::Authority,
    doorway::Connection,
    fault::{self, Concern, Endpoint, Fault},
    form::Form,
    grant, jwt,
};

/// Answers a token request, or meets it with the fault that awaits it.
pub(super) async fn token(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let form = Form::parse(&headers, &body);
    authority.observations.token_request(&tenant, &headers, &form);
    let fault = take_fault(&authority, &form);
    fault::respond(fault, &connection, || answer(&authority, &tenant, &form, &headers)).await
}

fn take_fault(authority: &Authority, form: &Form) -> Option<Fault> {
    let claims = form.find("assertion").and_then(jwt::unverified_claims).unwrap_or_default();
    let scope = form.find("scope").unwrap_or("");
    let concern = Concern { endpoint: Endpoint::Token, scope, oid: jwt::text(&claims, "oid") };
    let fault = authority.faults.take(&concern)?;
    if fault.replaces_answer() {
        authority.observations.count(super::Counters::count_fault);
    }
    Some(fault)
}

fn answer(authority: &Authority, tenant: &str, form: &Form, headers: &HeaderMap) -> Answer {
    match grant::exchange(authority, tenant, form, headers) {
        Ok(granted) => {
            authority.observations.count(super::Counters::count_success);
            Answer::json(StatusCode::OK, &granted).no_store()
        }
        Err(refusal) => {
            authority.observations.count(|counters| counters.count_refusal(refusal.error(), refusal.code()));
            refusal.answer(headers)
        }
    }
}
