//! Faults: ways in which the provider's endpoints misbehave, for a number of requests or until cleared.

mod active;
mod effect;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::aadsts::AadstsError;

pub(super) use self::{active::Concern, effect::respond};
pub use self::{
    active::Faults,
    effect::{CannedAnswer, Effect},
};

/// One way to misbehave, and the requests it concerns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The endpoint. Default: the token endpoint.
    #[serde(default)]
    pub at: Endpoint,
    /// Only token requests whose `scope` contains this text.
    pub scope: Option<String>,
    /// Only token requests about the user with this `oid`.
    pub oid: Option<String>,
    /// Only token requests of this grant, by its name in [`Counters::requested`](super::Counters::requested).
    pub grant: Option<String>,
    /// Only this many of a hundred requests, spread evenly. Default: all.
    pub share: Option<u8>,
    /// How many requests are met with it. Default: all, until it is cleared.
    pub times: Option<u64>,
    /// Milliseconds after which it is over. Default: it lasts until it is cleared.
    pub lasting_ms: Option<u64>,
    /// Milliseconds to wait before anything else, ten minutes at most.
    #[serde(default)]
    pub delay_ms: u64,
    /// What happens then. Default: the normal answer.
    #[serde(default)]
    pub effect: Effect,
}

/// An endpoint of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// The token endpoint.
    #[default]
    Token,
    /// The key set, in both versions.
    Jwks,
    /// The metadata document, in both versions.
    Discovery,
    /// The managed identity's token endpoint; `scope` stands for its `resource`.
    ManagedIdentity,
    /// A realm's token endpoint; `oid` stands for the `sub` of the subject token.
    RealmToken,
    /// A realm's key set.
    RealmKeys,
    /// A realm's metadata document.
    RealmDiscovery,
    /// The token endpoint of a sample target, among [`SampleTarget::faults`](super::SampleTarget::faults).
    TargetToken,
}

impl Fault {
    /// A fault at `endpoint` that changes nothing yet.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        Self {
            at: endpoint,
            scope: None,
            oid: None,
            grant: None,
            share: None,
            times: None,
            lasting_ms: None,
            delay_ms: 0,
            effect: Effect::None,
        }
    }

    /// A token endpoint that answers with this status and body.
    #[must_use]
    pub fn token_answer(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::at(Endpoint::Token).effect(Effect::Answer(CannedAnswer { status, headers, body: body.to_owned() }))
    }

    /// A token endpoint that refuses with this AADSTS number, in the shape that Entra gives it.
    #[must_use]
    pub fn aadsts(code: u32) -> Self {
        Self::at(Endpoint::Token).effect(Effect::Aadsts(AadstsError::new(code)))
    }

    /// A token endpoint that throttles the whole application until then: 429, plain text, the rest of the time in
    /// `Retry-After`.
    #[must_use]
    pub fn throttled(lasting: Duration) -> Self {
        Self::at(Endpoint::Token).effect(Effect::Throttle { date: false }).lasting(lasting)
    }

    /// A token endpoint that sets one member of its answer.
    #[must_use]
    pub fn token_member(name: &str, value: impl Into<Value>) -> Self {
        let set = Map::from_iter([(name.to_owned(), value.into())]);
        Self::at(Endpoint::Token).effect(Effect::Alter { set, remove: Vec::new() })
    }

    /// A token endpoint that leaves one member out of its answer.
    #[must_use]
    pub fn token_without(name: &str) -> Self {
        Self::at(Endpoint::Token).effect(Effect::Alter { set: Map::new(), remove: vec![name.to_owned()] })
    }

    /// The same fault with this effect.
    #[must_use]
    pub fn effect(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// The same fault after a delay.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), ..self }
    }

    /// The same fault for so many requests.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same fault for so long from when it is added.
    #[must_use]
    pub fn lasting(self, lasting: Duration) -> Self {
        Self { lasting_ms: Some(u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX)), ..self }
    }

    /// The same fault for so many of a hundred requests, spread evenly.
    #[must_use]
    pub fn for_share(self, percent: u8) -> Self {
        Self { share: Some(percent), ..self }
    }

    /// The same fault for token requests of this grant, by its name in [`Counters::requested`](super::Counters::requested).
    #[must_use]
    pub fn for_grant(self, grant: &str) -> Self {
        Self { grant: Some(grant.to_owned()), ..self }
    }

    /// The same fault for token requests whose `scope` contains this text.
    #[must_use]
    pub fn for_scope(self, scope: &str) -> Self {
        Self { scope: Some(scope.to_owned()), ..self }
    }

    /// The same fault for token requests about this user.
    #[must_use]
    pub fn for_oid(self, oid: &str) -> Self {
        Self { oid: Some(oid.to_owned()), ..self }
    }

    /// Whether the request is answered without being looked at.
    pub(super) fn replaces_answer(&self) -> bool {
        matches!(self.effect, Effect::Answer(_) | Effect::Aadsts(_) | Effect::Throttle { .. } | Effect::Drop)
    }

    /// The AADSTS number in the answer that it puts in the place of another.
    pub(super) fn code(&self) -> Option<u32> {
        match &self.effect {
            Effect::Aadsts(error) => Some(error.code),
            _ => None,
        }
    }

    fn concerns(&self, request: &Concern<'_>) -> bool {
        self.at == request.endpoint
            && self.scope.as_deref().is_none_or(|scope| request.scope.contains(scope))
            && (self.oid.is_none() || self.oid.as_deref() == request.oid)
            && self.grant.as_deref().is_none_or(|grant| grant == request.grant)
    }
}
