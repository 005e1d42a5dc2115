//! `GET /{tenant}/oauth2/v2.0/authorize`: signs in the user named by `login_hint`, without a page, and redirects.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header},
};
use url::{Url, form_urlencoded};
use uuid::Uuid;

use super::{
    answer::Answer,
    authority::Authority,
    challenge::ClaimsChallenge,
    clock::unix_now,
    form::Form,
    grant::{Code, CodeChallenge, SignIn, sign_in_tenant},
    markup::escaped,
    observations::RecordedRequest,
    refusal::Refusal,
    user::User,
};

/// Redirects with a code or with an error; refuses what names no place to redirect to.
pub(super) async fn authorize(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let query = Form::of_query(&query.unwrap_or_default());
    authority.observations.authorize_request(RecordedRequest::new(uri.path(), &tenant, &headers, &query));
    match Reply::read(&query) {
        Ok(reply) => reply.answer(sign_in(&authority, &tenant, &query)).into_response(),
        Err(refusal) => refusal.answer(&headers).into_response(),
    }
}

/// Parameters of the redirection for a user who has signed in.
fn sign_in(authority: &Authority, tenant: &str, query: &Form) -> Result<Vec<(&'static str, String)>, Refusal> {
    query.refuse_repetition()?;
    if query.require("response_type")? != "code" {
        return Err(Refusal::Malformed("the response_type is not code"));
    }
    let sign_in = SignIn {
        client_id: query.require("client_id")?.to_owned(),
        tenant: sign_in_tenant(authority, tenant)?,
        user: query.find("login_hint").map(User::named).unwrap_or_default(),
        nonce: query.find("nonce").map(str::to_owned),
    };
    let client_info = sign_in.client_info();
    let code = Code {
        sign_in,
        scope: query.require("scope")?.to_owned(),
        claims: ClaimsChallenge::of_parameter(query.find("claims"))?,
        redirect_uri: query.require("redirect_uri")?.to_owned(),
        challenge: CodeChallenge::read(query.find("code_challenge"), query.find("code_challenge_method"))?,
        expires: unix_now().saturating_add(CODE_LIFETIME),
        redeemed: false,
    };
    let mut parameters = vec![("code", authority.codes.issue(code))];
    parameters.extend((query.find("client_info") == Some("1")).then_some(("client_info", client_info)));
    parameters.push(("session_state", Uuid::new_v4().to_string()));
    Ok(parameters)
}

/// Where the client wants its answer, and how.
struct Reply<'q> {
    to: Url,
    mode: ResponseMode,
    state: Option<&'q str>,
}

#[derive(Clone, Copy)]
enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

impl<'q> Reply<'q> {
    fn read(query: &'q Form) -> Result<Self, Refusal> {
        let to = Url::parse(query.require("redirect_uri")?)
            .map_err(|_| Refusal::Malformed("the redirect_uri is not an absolute URI"))?;
        let mode = match query.find("response_mode") {
            None | Some("query") => ResponseMode::Query,
            Some("fragment") => ResponseMode::Fragment,
            Some("form_post") => ResponseMode::FormPost,
            Some(_) => return Err(Refusal::Malformed("the response_mode is unknown")),
        };
        Ok(Self { to, mode, state: query.find("state") })
    }

    fn answer(self, outcome: Result<Vec<(&'static str, String)>, Refusal>) -> Answer {
        let mut parameters = outcome.unwrap_or_else(|refusal| {
            vec![("error", refusal.error().into_owned()), ("error_description", refusal.description())]
        });
        parameters.extend(self.state.map(|state| ("state", state.to_owned())));
        match self.mode {
            ResponseMode::FormPost => form_post(&self.to, &parameters),
            ResponseMode::Query => {
                let mut to = self.to;
                to.query_pairs_mut().extend_pairs(parameters);
                redirect(&to)
            }
            ResponseMode::Fragment => {
                let mut to = self.to;
                let fragment = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
                to.set_fragment(Some(&fragment));
                redirect(&to)
            }
        }
    }
}

fn redirect(to: &Url) -> Answer {
    let answer = Answer::text(StatusCode::FOUND, "").no_store();
    match HeaderValue::from_str(to.as_str()) {
        Ok(to) => answer.header(header::LOCATION, to),
        Err(_) => answer,
    }
}

/// A page that posts the parameters by itself.
fn form_post(to: &Url, parameters: &[(&str, String)]) -> Answer {
    let input =
        |(name, value): &(&str, String)| format!(r#"<input type="hidden" name="{name}" value="{}"/>"#, escaped(value));
    let inputs: String = parameters.iter().map(input).collect();
    let page = format!(
        r#"<html><head><title>Signed in</title></head><body onload="document.forms[0].submit()"><form method="POST" action="{}">{inputs}<noscript><input type="submit" value="Continue"/></noscript></form></body></html>"#,
        escaped(to.as_str())
    );
    Answer::html(page).no_store()
}

/// Seconds within which a code must be redeemed.
const CODE_LIFETIME: i64 = 600;
