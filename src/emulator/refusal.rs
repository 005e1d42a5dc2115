//! Every reason for which the token endpoint refuses a request, and the error document that tells it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use uuid::Uuid;

use super::{answer::Answer, clock::error_timestamp, policy::StepUpShape};

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
    StepUp { shape: StepUpShape, claims: String },
    ConsentMissing,
}

impl Refusal {
    /// The AADSTS number.
    pub(super) fn code(&self) -> u32 {
        self.parts().code
    }

    /// The OAuth error.
    pub(super) fn error(&self) -> &'static str {
        self.parts().error
    }

    /// The HTTP answer to a request with these headers.
    pub(super) fn answer(self, headers: &HeaderMap) -> Answer {
        let parts = self.parts();
        let document = Document::new(&parts, &self.sentence(), correlation_id(headers), self.into_claims());
        let answer = Answer::json(parts.status, &document).no_store();
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

    fn parts(&self) -> Parts {
        match self {
            Self::MissingParameter(_) => Parts::new("invalid_request", 900_144),
            Self::RepeatedParameter(_) => Parts::new("invalid_request", 9_000_411),
            Self::Malformed(_) => Parts::new("invalid_request", 9_002_313),
            Self::UnknownTenant(_) => Parts::new("invalid_request", 90_002),
            Self::UnsupportedGrant(_) => Parts::new("unsupported_grant_type", 70_003),
            Self::UnknownClient(_) => Parts::new("unauthorized_client", 700_016),
            Self::NoClientCredential => Parts::unauthenticated(7_000_218),
            Self::WrongSecret => Parts::unauthenticated(7_000_215),
            Self::WrongClientAssertion(_) => Parts::unauthenticated(700_027),
            Self::WithdrawnCredential(code) => Parts::unauthenticated(*code),
            Self::ClientAssertionTime(_) => Parts::unauthenticated(700_024),
            Self::UntrustedFederation => Parts::unauthenticated(70_021),
            Self::UsersToken => Parts::unauthenticated(700_229),
            Self::MalformedAssertion => Parts::new("invalid_request", 50_027),
            Self::IdToken => Parts::new("invalid_request", 240_002),
            Self::AppOnlyToken => Parts::new("unauthorized_client", 7_000_114),
            Self::UntrustedAssertion(_) => Parts::new("invalid_grant", 50_013),
            Self::WrongAudience => Parts::new("invalid_grant", 500_131),
            Self::OutsideValidity => Parts::new("invalid_grant", 500_133),
            Self::Revoked => Parts::new("invalid_grant", 50_173),
            Self::UnknownGrant(_) => Parts::new("invalid_grant", 70_000).with_suberror("bad_token"),
            Self::RedeemedCode => Parts::new("invalid_grant", 54_005),
            Self::ExpiredCode => Parts::new("invalid_grant", 70_008),
            Self::WrongVerifier => Parts::new("invalid_grant", 501_481),
            Self::OtherRedirect => Parts::new("invalid_grant", 500_112),
            Self::EndedRefreshToken => Parts::new("invalid_grant", 70_043).with_suberror("bad_token"),
            Self::InvalidScope(_) => Parts::new("invalid_scope", 70_011),
            Self::SeveralResources => Parts::new("invalid_scope", 700_022),
            Self::NotDefaultScope => Parts::new("invalid_scope", 1_002_012),
            Self::StepUp { shape: StepUpShape::InteractionRequired, .. } => Parts::new("interaction_required", 50_079),
            Self::StepUp { shape: StepUpShape::BasicAction, .. } => {
                Parts::new("invalid_grant", 50_079).with_suberror("basic_action")
            }
            Self::ConsentMissing => Parts::new("invalid_grant", 65_001).with_suberror("consent_required"),
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
            Self::ConsentMissing => "Neither the user nor an administrator has consented to the scope.".to_owned(),
        }
    }

    fn into_claims(self) -> Option<String> {
        match self {
            Self::StepUp { claims, .. } => Some(claims),
            _ => None,
        }
    }
}

/// What kind of error a refusal is.
struct Parts {
    status: StatusCode,
    error: &'static str,
    suberror: Option<&'static str>,
    code: u32,
}

impl Parts {
    fn new(error: &'static str, code: u32) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, suberror: None, code }
    }

    fn unauthenticated(code: u32) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, ..Self::new("invalid_client", code) }
    }

    fn with_suberror(self, suberror: &'static str) -> Self {
        Self { suberror: Some(suberror), ..self }
    }
}

/// The error document, its members in the order in which Entra sends them.
#[derive(Serialize)]
struct Document {
    error: &'static str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<String>,
}

impl Document {
    fn new(parts: &Parts, sentence: &str, correlation_id: String, claims: Option<String>) -> Self {
        let (timestamp, trace_id) = (error_timestamp(), Uuid::new_v4().to_string());
        Self {
            error: parts.error,
            error_description: format!(
                "AADSTS{}: {sentence}\r\nTrace ID: {trace_id}\r\nCorrelation ID: {correlation_id}\r\nTimestamp: {timestamp}",
                parts.code
            ),
            error_codes: [parts.code],
            timestamp,
            trace_id,
            correlation_id,
            suberror: parts.suberror,
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
