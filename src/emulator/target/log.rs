//! What reached the target: hits by path, digests of tokens, the last requests.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    super::{
        guarded::Guarded,
        observations::{PAIR_OVERHEAD, header_pairs},
        recent::Recent,
    },
    echo::{RequestHead, sha256_hex},
};

/// A request that reached the target, without its body. It contains the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetRequest {
    /// The method.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query as it was sent, without its question mark.
    pub query: Option<String>,
    /// Headers in the order of their first occurrence, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl TargetRequest {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).next()
    }

    /// All headers of this name, given in lower case.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }
}

impl From<&RequestHead> for TargetRequest {
    fn from(head: &RequestHead) -> Self {
        Self {
            method: head.method.to_string(),
            path: head.path.clone(),
            query: head.query.clone(),
            headers: header_pairs(&head.headers),
        }
    }
}

/// The record of one target.
#[derive(Debug, Default)]
pub(super) struct Log {
    hits: Guarded<BTreeMap<String, u64>>,
    tokens: Guarded<BTreeSet<String>>,
    requests: Guarded<Recent<TargetRequest>>,
}

impl Log {
    /// Records a request on arrival.
    pub(super) fn record(&self, head: &RequestHead) {
        self.count(&head.path);
        head.bearers().for_each(|token| self.remember_token(token));
        head.assertions().for_each(|(_, assertion)| self.remember_token(assertion));
        let request = TargetRequest::from(head);
        let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len() + PAIR_OVERHEAD).sum();
        let weight = headers + request.path.len() + request.query.as_ref().map_or(0, String::len) + PAIR_OVERHEAD;
        self.requests.lock().push(weight, request);
    }

    pub(super) fn hits(&self) -> BTreeMap<String, u64> {
        self.hits.lock().clone()
    }

    pub(super) fn requests(&self) -> Vec<TargetRequest> {
        self.requests.lock().to_vec()
    }

    pub(super) fn token_digests(&self) -> Vec<String> {
        self.tokens.lock().iter().cloned().collect()
    }

    pub(super) fn saw_token(&self, token: &str) -> bool {
        self.tokens.lock().contains(&sha256_hex(token.as_bytes()))
    }

    pub(super) fn clear(&self) {
        self.hits.lock().clear();
        self.tokens.lock().clear();
        *self.requests.lock() = Recent::default();
    }

    fn count(&self, path: &str) {
        let mut hits = self.hits.lock();
        let full = hits.len() >= MAX_PATHS && !hits.contains_key(path);
        *hits.entry(if full { OTHER_PATHS } else { path }.to_owned()).or_default() += 1;
    }

    fn remember_token(&self, token: &str) {
        let mut tokens = self.tokens.lock();
        if tokens.len() < MAX_TOKENS {
            tokens.insert(sha256_hex(token.as_bytes()));
        }
    }
}

/// How many paths are counted apart.
const MAX_PATHS: usize = 1_000;

/// Where further paths are counted.
const OTHER_PATHS: &str = "(other)";

/// How many tokens are remembered.
const MAX_TOKENS: usize = 10_000;
