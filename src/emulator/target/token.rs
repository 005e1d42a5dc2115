//! `POST /oauth/token` of the target: its own token for a SAML assertion (RFC 7522).

use std::{collections::BTreeMap, fmt};

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    super::{
        answer::Answer, client, clock::unix_now, form::Form, guarded::Guarded, ledger::Ledger,
        observations::RecordedRequest, recent::Recent, saml::Assertion,
    },
    SampleTargetOptions,
};

/// A client that the target's token endpoint knows.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetClient {
    /// Its name.
    pub client_id: String,
    /// Its secret, to be sent in the form or by HTTP Basic.
    pub client_secret: String,
}

impl fmt::Debug for TargetClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetClient").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// How often the target's token endpoint was asked, and how that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TargetTokenCounters {
    /// Requests, counted on arrival.
    pub requests: u64,
    /// Answers: `ok`, the OAuth error, or `fault` where a fault took the answer's place.
    pub outcomes: BTreeMap<String, u64>,
}

impl TargetTokenCounters {
    /// How many requests ended in this way.
    pub fn outcome(&self, name: &str) -> u64 {
        self.outcomes.get(name).copied().unwrap_or(0)
    }
}

/// The token endpoint of one target.
#[derive(Debug)]
pub(super) struct TokenEndpoint {
    /// What an assertion's audience has to be: the target's name, or the endpoint's address.
    audiences: [String; 2],
    /// The start of the issuers that are trusted; without one, any is.
    issuers: Option<String>,
    client: Option<TargetClient>,
    expires_in: u32,
    pub(super) issued: Guarded<Ledger<i64>>,
    pub(super) counters: Guarded<TargetTokenCounters>,
    pub(super) requests: Guarded<Recent<RecordedRequest>>,
}

impl TokenEndpoint {
    /// The endpoint of a target at `url`.
    pub(super) fn new(options: &SampleTargetOptions, url: &str) -> Self {
        let entity_id = options.entity_id.as_deref().unwrap_or(DEFAULT_ENTITY_ID);
        Self {
            audiences: [entity_id.to_owned(), format!("{url}/oauth/token")],
            issuers: options.emulator.as_ref().map(|emulator| format!("{}/", emulator.public_url())),
            client: options.token_client.clone(),
            expires_in: options.token_expires_in.unwrap_or(DEFAULT_LIFETIME),
            issued: Guarded::default(),
            counters: Guarded::default(),
            requests: Guarded::default(),
        }
    }

    /// Counts and remembers a request.
    pub(super) fn record(&self, request: RecordedRequest) {
        self.counters.lock().requests += 1;
        self.requests.lock().push(request.weight(), request);
    }

    /// Answers a request.
    pub(super) fn answer(&self, method: &Method, headers: &HeaderMap, form: &Form) -> Answer {
        if method != Method::POST {
            return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "the token endpoint wants POST\n");
        }
        let outcome = self.grant(headers, form);
        self.count(outcome.as_ref().map_or_else(|refusal| refusal.error, |_| "ok"));
        match outcome {
            Ok(granted) => Answer::json(StatusCode::OK, &granted).no_store(),
            Err(refusal) => refusal.answer(),
        }
    }

    /// Counts an answer.
    pub(super) fn count(&self, outcome: &str) {
        *self.counters.lock().outcomes.entry(outcome.to_owned()).or_default() += 1;
    }

    /// Whether this token was given here and is good.
    pub(super) fn accepts(&self, token: &str) -> bool {
        self.issued.lock().find(token).is_some_and(|expiry| unix_now() < expiry)
    }

    fn grant(&self, headers: &HeaderMap, form: &Form) -> Result<Value, TokenRefusal> {
        let malformed = |_| TokenRefusal::new("invalid_request", "a parameter is missing or repeated");
        form.refuse_repetition().map_err(malformed)?;
        if form.require("grant_type").map_err(malformed)? != SAML2_BEARER {
            return Err(TokenRefusal::new("unsupported_grant_type", "the grant type is not saml2-bearer"));
        }
        self.authenticate(headers, form)?;
        self.verify(form.require("assertion").map_err(malformed)?)?;
        let expiry = unix_now().saturating_add(self.expires_in.into());
        let token = self.issued.lock().issue("target-", expiry);
        let mut granted = json!({"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in});
        if let (Some(members), Some(scope)) = (granted.as_object_mut(), form.find("scope")) {
            members.insert("scope".to_owned(), scope.into());
        }
        Ok(granted)
    }

    fn authenticate(&self, headers: &HeaderMap, form: &Form) -> Result<(), TokenRefusal> {
        let Some(client) = &self.client else { return Ok(()) };
        match client::presented_secret(form, headers) {
            Ok(Some((id, secret))) if id == client.client_id && secret == client.client_secret => Ok(()),
            _ => Err(TokenRefusal::new("invalid_client", "the client did not authenticate")),
        }
    }

    fn verify(&self, assertion: &str) -> Result<(), TokenRefusal> {
        let invalid = |why| TokenRefusal::new("invalid_grant", why);
        let assertion =
            Assertion::read(assertion).ok_or(invalid("the assertion is none of the identity provider's"))?;
        if self.issuers.as_deref().is_some_and(|start| !assertion.issuer.starts_with(start)) {
            return Err(invalid("the assertion is another issuer's"));
        }
        if !self.audiences.contains(&assertion.audience) {
            return Err(invalid("the assertion is for another audience"));
        }
        if assertion.is_valid() { Ok(()) } else { Err(invalid("the assertion has expired or is not yet valid")) }
    }
}

/// Why no token is given.
#[derive(Debug)]
struct TokenRefusal {
    error: &'static str,
    why: &'static str,
}

impl TokenRefusal {
    fn new(error: &'static str, why: &'static str) -> Self {
        Self { error, why }
    }

    fn answer(&self) -> Answer {
        let document = json!({"error": self.error, "error_description": self.why});
        if self.error == "invalid_client" {
            return Answer::json(StatusCode::UNAUTHORIZED, &document)
                .no_store()
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="target""#));
        }
        Answer::json(StatusCode::BAD_REQUEST, &document).no_store()
    }
}

/// The grant.
const SAML2_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";

/// The name of a target that has no other.
const DEFAULT_ENTITY_ID: &str = "sample-target";

/// Seconds that a token lives.
const DEFAULT_LIFETIME: u32 = 3600;
