//! What reached the provider: counts, and the last token requests field by field.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde::Serialize;

use super::{form::Form, guarded::Guarded, recent::Recent};

/// How often each endpoint was asked, and how the token requests ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Requests for the metadata document of version 1.0.
    pub discovery_v1: u64,
    /// Requests for the metadata document of version 2.0.
    pub discovery_v2: u64,
    /// Requests for the key set, in both versions.
    pub jwks: u64,
    /// Requests to the token endpoint, counted on arrival.
    pub token: u64,
    /// Answers of the token endpoint: `ok`, the OAuth error, or `fault` where a fault took the answer's place.
    pub outcomes: BTreeMap<String, u64>,
    /// Refusals of the token endpoint by their AADSTS number, those that a fault put there included.
    pub codes: BTreeMap<u32, u64>,
    /// Requests to the token endpoint by their grant, counted on arrival: `on_behalf_of`, `password`,
    /// `authorization_code`, `refresh_token`, `client_credentials`, `token_exchange` (which is refused), `other`.
    pub requested: BTreeMap<String, u64>,
    /// Tokens that the token endpoint gave, by grant.
    pub granted: BTreeMap<String, u64>,
    /// Requests to the authorization endpoint.
    pub authorize: u64,
    /// Requests of client libraries for what kind of account a user has.
    pub user_realm: u64,
    /// Requests of client libraries for where an authority's metadata is.
    pub instance_discovery: u64,
    /// Requests to the managed identity's token endpoint.
    pub managed_identity: u64,
    /// Requests for a realm's metadata document.
    pub realm_discovery: u64,
    /// Requests for a realm's key set.
    pub realm_keys: u64,
    /// Requests to a realm's token endpoint, counted on arrival.
    pub realm_token: u64,
    /// Answers of a realm's token endpoint: `ok`, the OAuth error, or `fault` where a fault took the answer's place.
    pub realm_outcomes: BTreeMap<String, u64>,
}

impl Counters {
    /// How many token requests ended in this way.
    pub fn outcome(&self, name: &str) -> u64 {
        self.outcomes.get(name).copied().unwrap_or(0)
    }

    /// How many token requests were refused with this AADSTS number.
    pub fn code(&self, code: u32) -> u64 {
        self.codes.get(&code).copied().unwrap_or(0)
    }

    /// How many token requests of this grant arrived.
    pub fn requested(&self, grant: &str) -> u64 {
        self.requested.get(grant).copied().unwrap_or(0)
    }

    /// How many token requests of this grant gave a token.
    pub fn granted(&self, grant: &str) -> u64 {
        self.granted.get(grant).copied().unwrap_or(0)
    }

    /// How many token requests gave a token.
    pub fn exchanged(&self) -> u64 {
        self.outcome("ok")
    }

    /// How many requests to a realm's token endpoint ended in this way.
    pub fn realm_outcome(&self, name: &str) -> u64 {
        self.realm_outcomes.get(name).copied().unwrap_or(0)
    }

    pub(super) fn count_realm(&mut self, name: &str) {
        *self.realm_outcomes.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn count_success(&mut self, grant: &str) {
        self.count_outcome("ok");
        *self.granted.entry(grant.to_owned()).or_default() += 1;
    }

    pub(super) fn count_fault(&mut self, code: Option<u32>) {
        self.count_outcome("fault");
        if let Some(code) = code {
            *self.codes.entry(code).or_default() += 1;
        }
    }

    pub(super) fn count_refusal(&mut self, error: &str, code: u32) {
        self.count_outcome(error);
        *self.codes.entry(code).or_default() += 1;
    }

    fn count_outcome(&mut self, name: &str) {
        *self.outcomes.entry(name.to_owned()).or_default() += 1;
    }
}

/// A request as it arrived. It contains secrets and tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordedRequest {
    /// The path.
    pub path: String,
    /// The tenant or the realm in the path.
    pub tenant: String,
    /// Headers in the order of their first occurrence, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Form parameters in order, decoded; of a GET request those of its query.
    pub form: Vec<(String, String)>,
}

impl RecordedRequest {
    /// What arrived at `path`.
    pub(super) fn new(path: &str, tenant: &str, headers: &HeaderMap, form: &Form) -> Self {
        Self {
            path: path.to_owned(),
            tenant: tenant.to_owned(),
            headers: header_pairs(headers),
            form: form.parameters().to_vec(),
        }
    }

    /// The first form parameter of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.form, name)
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    /// Its size in memory.
    pub(super) fn weight(&self) -> usize {
        let texts = self.headers.iter().chain(&self.form);
        texts.map(|(name, value)| name.len() + value.len() + PAIR_OVERHEAD).sum::<usize>() + self.path.len()
    }
}

/// Counters and records.
#[derive(Debug, Default)]
pub(super) struct Observations {
    counters: Guarded<Counters>,
    recorded: Guarded<Recent<RecordedRequest>>,
    authorize: Guarded<Recent<RecordedRequest>>,
    managed_identity: Guarded<Recent<RecordedRequest>>,
}

impl Observations {
    /// Changes the counters.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock());
    }

    /// Counts and remembers a token request of this grant.
    pub(super) fn token_request(&self, grant: &str, request: RecordedRequest) {
        self.count(|counters| {
            counters.token += 1;
            *counters.requested.entry(grant.to_owned()).or_default() += 1;
        });
        self.recorded.lock().push(request.weight(), request);
    }

    /// Counts and remembers a request to a realm's token endpoint, among the other token requests.
    pub(super) fn realm_request(&self, request: RecordedRequest) {
        self.count(|counters| counters.realm_token += 1);
        self.recorded.lock().push(request.weight(), request);
    }

    /// Counts and remembers a request to the authorization endpoint.
    pub(super) fn authorize_request(&self, request: RecordedRequest) {
        self.count(|counters| counters.authorize += 1);
        self.authorize.lock().push(request.weight(), request);
    }

    /// Counts and remembers a request to the managed identity's token endpoint.
    pub(super) fn managed_identity_request(&self, request: RecordedRequest) {
        self.count(|counters| counters.managed_identity += 1);
        self.managed_identity.lock().push(request.weight(), request);
    }

    /// The counters as they stand.
    pub(super) fn counters(&self) -> Counters {
        self.counters.lock().clone()
    }

    /// The last token requests, oldest first.
    pub(super) fn recorded(&self) -> Vec<RecordedRequest> {
        self.recorded.lock().to_vec()
    }

    /// The last requests to the authorization endpoint, oldest first.
    pub(super) fn authorize_requests(&self) -> Vec<RecordedRequest> {
        self.authorize.lock().to_vec()
    }

    /// The last requests to the managed identity's token endpoint, oldest first.
    pub(super) fn managed_identity_requests(&self) -> Vec<RecordedRequest> {
        self.managed_identity.lock().to_vec()
    }

    /// Starts over.
    pub(super) fn clear(&self) {
        *self.counters.lock() = Counters::default();
        *self.recorded.lock() = Recent::default();
        *self.authorize.lock() = Recent::default();
        *self.managed_identity.lock() = Recent::default();
    }
}

/// Headers as text, in order; repeated names stand together.
pub(super) fn header_pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}

fn first<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    pairs.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
}

/// The memory that a pair of strings takes beside its text.
pub(super) const PAIR_OVERHEAD: usize = 2 * size_of::<String>();
