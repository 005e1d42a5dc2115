//! Every reason for which the token endpoint refuses a request, and the error document that tells it.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::{aadsts::AadstsError, answer::Answer, clock::error_timestamp, error_table::Row, policy::StepUpShape};

/// Why a token request is refused. The AADSTS numbers are those of Entra, the sentences are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    MissingParameter(&'static str),
    RepeatedParameter(String),
    Malformed(&'static str),
    UnknownTenant(String),
    UnsupportedGrant(String),
    UnknownClient(String),
    NoClientCredential,
    WrongSecret,
    WithdrawnCredential(u32),
    WrongClientAssertion(&'static str),
    ClientAssertionTime(&'static str),
    UntrustedFederation,
    UsersToken,
    MalformedAssertion,
    IdToken,
    AppOnlyToken,
    UntrustedAssertion(&'static str),
    WrongAudience,
    OutsideValidity,
    Revoked,
    UnknownGrant(&'static str),
    RedeemedCode,
    ExpiredCode,
    WrongVerifier,
    OtherRedirect,
    EndedRefreshToken,
    InvalidScope(&'static str),
    SeveralResources,
    NotDefaultScope,
    StepUp {
        shape: StepUpShape,
        claims: String,
    },
    ConsentMissing,
    /// A fault that says by its number what is answered.
    Injected(Box<AadstsError>),
}

impl Refusal {
    /// The AADSTS number.
    pub(super) fn code(&self) -> u32 {
        match self {
            Self::MissingParameter(_) => 900_144,
            Self::RepeatedParameter(_) => 9_000_411,
            Self::Malformed(_) => 9_002_313,
            Self::UnknownTenant(_) => 90_002,
            Self::UnsupportedGrant(_) => 70_003,
            Self::UnknownClient(_) => 700_016,
            Self::NoClientCredential => 7_000_218,
            Self::WrongSecret => 7_000_215,
            Self::WithdrawnCredential(code) => *code,
            Self::WrongClientAssertion(_) => 700_027,
            Self::ClientAssertionTime(_) => 700_024,
            Self::UntrustedFederation => 70_021,
            Self::UsersToken => 700_229,
            Self::MalformedAssertion => 50_027,
            Self::IdToken => 240_002,
            Self::AppOnlyToken => 7_000_114,
            Self::UntrustedAssertion(_) => 50_013,
            Self::WrongAudience => 500_131,
            Self::OutsideValidity => 500_133,
            Self::Revoked => 50_173,
            Self::UnknownGrant(_) => 70_000,
            Self::RedeemedCode => 54_005,
            Self::ExpiredCode => 70_008,
            Self::WrongVerifier => 501_481,
            Self::OtherRedirect => 500_112,
            Self::EndedRefreshToken => 70_043,
            Self::InvalidScope(_) => 70_011,
            Self::SeveralResources => 700_022,
            Self::NotDefaultScope => 1_002_012,
            Self::StepUp { .. } => 50_079,
            Self::ConsentMissing => 65_001,
            Self::Injected(injected) => injected.code,
        }
    }

    /// The OAuth error.
    pub(super) fn error(&self) -> Cow<'static, str> {
        self.shape().error
    }

    /// The HTTP answer to a request with these headers.
    pub(super) fn answer(self, headers: &HeaderMap) -> Answer {
        let (shape, description) = (self.shape(), self.description());
        let status = shape.status;
        let document = Document::new(shape, self.code(), &description, correlation_id(headers), self.into_claims());
        let answer = Answer::json(status, &document).no_store();
        let answer = with_id(answer, "x-ms-request-id", &document.trace_id);
        match headers.get("return-client-request-id") {
            Some(wanted) if wanted == "true" => with_id(answer, "client-request-id", &document.correlation_id),
            _ => answer,
        }
    }

    /// What a person reads.
    pub(super) fn description(&self) -> String {
        format!("AADSTS{}: {}", self.code(), self.sentence())
    }

    fn shape(&self) -> Shape {
        let row = Row::of(self.code());
        let status = StatusCode::from_u16(row.status).unwrap_or(StatusCode::BAD_REQUEST);
        let shape = Shape { status, error: row.error.into(), suberror: row.suberror.map(Cow::from) };
        match self {
            Self::StepUp { shape: StepUpShape::BasicAction, .. } => {
                Shape { error: "invalid_grant".into(), suberror: Some("basic_action".into()), ..shape }
            }
            // What is withdrawn is a credential, whatever the number.
            Self::WithdrawnCredential(_) => {
                Shape { status: StatusCode::UNAUTHORIZED, error: "invalid_client".into(), ..shape }
            }
            Self::Injected(injected) => shape.overridden(injected),
            _ => shape,
        }
    }

    /// The reason in one sentence.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::MissingParameter(name) => format!("The form lacks the parameter '{name}', or it is empty."),
            Self::RepeatedParameter(name) => format!("The parameter '{}' occurs more than once.", quoted(name)),
            Self::Malformed(what) => format!("The request is malformed: {what}."),
            Self::UnknownTenant(tenant) => format!("There is no tenant '{}'.", quoted(tenant)),
            Self::UnsupportedGrant(grant) => format!("The grant type '{}' is not supported here.", quoted(grant)),
            Self::UnknownClient(client) => format!("No application '{}' in this tenant.", quoted(client)),
            Self::NoClientCredential => "The client did not authenticate.".to_owned(),
            Self::WrongSecret => "The client secret is wrong.".to_owned(),
            Self::WrongClientAssertion(why) => format!("The client assertion is not accepted: {why}."),
            Self::WithdrawnCredential(_) => "The client's credential is good no more.".to_owned(),
            Self::ClientAssertionTime(why) => format!("The client assertion is not accepted now: {why}."),
            Self::UntrustedFederation => {
                "No federated credential has the issuer, subject and audience of the client assertion.".to_owned()
            }
            Self::UsersToken => "Only an application's token can stand for the client.".to_owned(),
            Self::MalformedAssertion => "The assertion is not a JWT.".to_owned(),
            Self::IdToken => "The assertion is an id_token where an access token belongs.".to_owned(),
            Self::AppOnlyToken => "Nobody can act on behalf of an application.".to_owned(),
            Self::UntrustedAssertion(why) => format!("The assertion's signature is not accepted: {why}."),
            Self::WrongAudience => "The assertion was issued for another application.".to_owned(),
            Self::OutsideValidity => "The assertion has expired or is not yet valid.".to_owned(),
            Self::Revoked => "The user's sign-in was revoked after the assertion was issued.".to_owned(),
            Self::UnknownGrant(what) => format!("No such grant was given to this client: {what} is unknown."),
            Self::RedeemedCode => "The code was redeemed before.".to_owned(),
            Self::ExpiredCode => "The code has expired.".to_owned(),
            Self::WrongVerifier => "The code_verifier does not match the code_challenge.".to_owned(),
            Self::OtherRedirect => "The redirect_uri is not the one that the code was sent to.".to_owned(),
            Self::EndedRefreshToken => "The refresh token has expired or was ended.".to_owned(),
            Self::InvalidScope(why) => format!("The parameter 'scope' is invalid: {why}."),
            Self::SeveralResources => "The parameter 'scope' names more than one resource.".to_owned(),
            Self::NotDefaultScope => "An application's own scope ends in '/.default', and there is one.".to_owned(),
            Self::StepUp { .. } => "The resource demands multifactor authentication of the user.".to_owned(),
            Self::Injected(injected) => Row::of(injected.code).meaning.to_owned(),
            Self::ConsentMissing => "Neither the user nor an administrator has consented to the scope.".to_owned(),
        }
    }

    fn into_claims(self) -> Option<String> {
        match self {
            Self::StepUp { claims, .. } => Some(claims),
            Self::Injected(injected) => {
                let usual = Row::of(injected.code).claims.then(|| USUAL_CLAIMS.to_owned());
                injected.claims.or(usual).filter(|claims| !claims.is_empty())
            }
            _ => None,
        }
    }
}

/// What kind of error a refusal is.
struct Shape {
    status: StatusCode,
    error: Cow<'static, str>,
    suberror: Option<Cow<'static, str>>,
}

impl Shape {
    fn overridden(self, injected: &AadstsError) -> Self {
        let status = injected.status.and_then(|status| StatusCode::from_u16(status).ok());
        let suberror = injected.suberror.clone().map(Cow::from).or(self.suberror);
        Self {
            status: status.filter(|status| !status.is_informational()).unwrap_or(self.status),
            error: injected.error.clone().map_or(self.error, Cow::from),
            suberror: suberror.filter(|suberror| !suberror.is_empty()),
        }
    }
}

/// The error document, its members in the order in which Entra sends them.
#[derive(Serialize)]
struct Document {
    error: Cow<'static, str>,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
}

impl Document {
    fn new(shape: Shape, code: u32, description: &str, correlation_id: String, claims: Option<String>) -> Self {
        let (timestamp, trace_id) = (error_timestamp(), Uuid::new_v4().to_string());
        Self {
            error: shape.error,
            error_description: format!(
                "{description}\r\nTrace ID: {trace_id}\r\nCorrelation ID: {correlation_id}\r\nTimestamp: {timestamp}"
            ),
            error_codes: [code],
            timestamp,
            trace_id,
            correlation_id,
            suberror: shape.suberror,
            claims,
        }
    }
}

/// The caller's own id if it sent one, else a new one.
fn correlation_id(headers: &HeaderMap) -> String {
    let sent = headers.get("client-request-id").and_then(|value| Uuid::try_parse_ascii(value.as_bytes()).ok());
    sent.unwrap_or_else(Uuid::new_v4).to_string()
}

fn with_id(answer: Answer, name: &'static str, id: &str) -> Answer {
    match HeaderValue::from_str(id) {
        Ok(value) => answer.header(HeaderName::from_static(name), value),
        Err(_) => answer,
    }
}

/// The start of a text that the client sent.
fn quoted(text: &str) -> String {
    text.chars().take(MAX_QUOTED).collect()
}

/// How many characters of a parameter an error repeats.
const MAX_QUOTED: usize = 200;

/// What an injected refusal asks of the user unless it says something else.
const USUAL_CLAIMS: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
