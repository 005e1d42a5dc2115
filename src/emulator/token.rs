//! `POST /{tenant}/oauth2/v2.0/token`.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, Response, StatusCode, Uri},
};

use super::{
    answer::Answer,
    authority::Authority,
    doorway::Connection,
    fault::{self, Concern, Endpoint, Fault},
    form::Form,
    grant::{self, TokenCall},
    observations::RecordedRequest,
};

/// Answers a token request, or meets it with the fault that awaits it.
pub(super) async fn token(
    State(authority): State<Arc<Authority>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(tenant): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let form = Form::parse(&headers, &body);
    let grant = grant::label(form.find("grant_type"));
    authority.observations.token_request(grant, RecordedRequest::new(uri.path(), &tenant, &headers, &form));
    let call = TokenCall { authority: &authority, tenant: &tenant, form: &form, headers: &headers };
    fault::respond(take_fault(&call), &connection, &headers, || answer(&call)).await
}

fn take_fault(call: &TokenCall<'_>) -> Option<Fault> {
    let (scope, user) = (call.form.find("scope").unwrap_or(""), call.user());
    let grant = grant::label(call.form.find("grant_type"));
    let concern = Concern { endpoint: Endpoint::Token, scope, oid: user.as_deref(), grant };
    let fault = call.authority.faults.take(&concern)?;
    if fault.replaces_answer() {
        call.authority.observations.count(|counters| counters.count_fault(fault.code()));
    }
    Some(fault)
}

fn answer(call: &TokenCall<'_>) -> Answer {
    let observations = &call.authority.observations;
    match call.answer() {
        Ok(granted) => {
            let grant = grant::label(call.form.find("grant_type"));
            observations.count(|counters| counters.count_success(grant));
            Answer::json(StatusCode::OK, &granted).no_store()
        }
        Err(refusal) => {
            observations.count(|counters| counters.count_refusal(&refusal.error(), refusal.code()));
            refusal.answer(call.headers)
        }
    }
}
