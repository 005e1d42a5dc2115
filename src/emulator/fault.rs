//! Faults: ways in which the provider's endpoints misbehave, for a number of requests or until cleared.

use std::{collections::VecDeque, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{answer::Answer, doorway::Connection, guarded::Guarded};

/// One way to misbehave, and the requests it concerns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The endpoint. Default: the token endpoint.
    #[serde(default)]
    pub at: Endpoint,
    /// Only token requests whose `scope` contains this text.
    pub scope: Option<String>,
    /// Only token requests whose assertion states this `oid`.
    pub oid: Option<String>,
    /// How many requests are met with it. Default: all, until it is cleared.
    pub times: Option<u64>,
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
}

/// What becomes of an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is sent as it is.
    #[default]
    None,
    /// It is replaced; the request is not looked at.
    Answer(CannedAnswer),
    /// The connection closes without an answer; the request is not looked at.
    Drop,
    /// A complete HTTP message with the first half of the body.
    Truncate,
    /// The connection closes halfway through the announced body.
    Cut,
    /// Members of the JSON document are set and removed.
    Alter {
        /// Members to set, to any JSON value.
        #[serde(default)]
        set: Map<String, Value>,
        /// Members to remove.
        #[serde(default)]
        remove: Vec<String>,
    },
}

/// An answer given word for word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CannedAnswer {
    /// The status, from 200 to 999; any other is sent as 500.
    pub status: u16,
    /// Headers in order. Without a `content-type` the body is plain text. Invalid ones are left out.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

impl Fault {
    /// A fault at `endpoint` that changes nothing yet.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        Self { at: endpoint, scope: None, oid: None, times: None, delay_ms: 0, effect: Effect::None }
    }

    /// A token endpoint that answers with this status and body.
    #[must_use]
    pub fn token_answer(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::at(Endpoint::Token).effect(Effect::Answer(CannedAnswer { status, headers, body: body.to_owned() }))
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

    /// The same fault for token requests whose `scope` contains this text.
    #[must_use]
    pub fn for_scope(self, scope: &str) -> Self {
        Self { scope: Some(scope.to_owned()), ..self }
    }

    /// The same fault for token requests on behalf of this user.
    #[must_use]
    pub fn for_oid(self, oid: &str) -> Self {
        Self { oid: Some(oid.to_owned()), ..self }
    }

    /// Whether the request is answered without being looked at.
    pub(super) fn replaces_answer(&self) -> bool {
        matches!(self.effect, Effect::Answer(_) | Effect::Drop)
    }

    fn concerns(&self, request: &Concern<'_>) -> bool {
        self.at == request.endpoint
            && self.scope.as_deref().is_none_or(|scope| request.scope.contains(scope))
            && (self.oid.is_none() || self.oid.as_deref() == request.oid)
    }
}

/// The faults in force. A request meets the first one that concerns it, and that one only.
#[derive(Debug, Default)]
pub struct Faults(Guarded<VecDeque<Fault>>);

impl Faults {
    /// Appends a fault. At most 1000 are kept; older ones make room.
    pub fn add(&self, fault: Fault) {
        let mut faults = self.0.lock();
        if faults.len() >= MAX_FAULTS {
            faults.pop_front();
        }
        faults.push_back(fault);
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// The faults in force with their remaining counts.
    pub fn list(&self) -> Vec<Fault> {
        self.0.lock().iter().cloned().collect()
    }

    /// The fault that a request meets, counted down.
    pub(super) fn take(&self, request: &Concern<'_>) -> Option<Fault> {
        let mut faults = self.0.lock();
        faults.retain(|fault| fault.times != Some(0));
        let fault = faults.iter_mut().find(|fault| fault.concerns(request))?;
        fault.times = fault.times.map(|times| times.saturating_sub(1));
        Some(fault.clone())
    }
}

/// What decides whether a fault concerns a request.
#[derive(Debug)]
pub(super) struct Concern<'r> {
    pub(super) endpoint: Endpoint,
    pub(super) scope: &'r str,
    pub(super) oid: Option<&'r str>,
}

impl Concern<'_> {
    /// A request without scope and user.
    pub(super) fn of(endpoint: Endpoint) -> Self {
        Self { endpoint, scope: "", oid: None }
    }
}

/// Answers a request as the fault it met demands; without one, normally.
pub(super) async fn respond(
    fault: Option<Fault>,
    connection: &Connection,
    normal: impl FnOnce() -> Answer,
) -> Response<Body> {
    let Some(fault) = fault else { return normal().into_response() };
    tokio::time::sleep(Duration::from_millis(fault.delay_ms).min(MAX_DELAY)).await;
    match fault.effect {
        Effect::None => normal().into_response(),
        Effect::Answer(canned) => canned.into_answer().into_response(),
        Effect::Drop => sever(connection),
        Effect::Truncate => normal().into_response_with(|body| Body::from(first_half(body))),
        Effect::Cut => cut(normal()),
        Effect::Alter { set, remove } => alter(normal(), set, &remove).into_response(),
    }
}

impl CannedAnswer {
    fn into_answer(self) -> Answer {
        let status = StatusCode::from_u16(self.status).ok().filter(|status| !status.is_informational());
        let mut answer = Answer::text(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), self.body);
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                headers.append(name, value);
            }
        }
        answer.headers.extend(headers);
        answer
    }
}

fn sever(connection: &Connection) -> Response<Body> {
    connection.sever();
    Response::default()
}

fn first_half(mut body: Vec<u8>) -> Vec<u8> {
    body.truncate(body.len() / 2);
    body
}

/// Announces the whole body, sends its first half, and fails.
fn cut(mut answer: Answer) -> Response<Body> {
    answer.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
    answer.into_response_with(|body| {
        let half = stream::iter([Ok(Bytes::from(first_half(body)))]);
        let failure = stream::once(async {
            // The first half is still in a write buffer; it leaves before the failure discards it.
            tokio::time::sleep(FLUSH_PAUSE).await;
            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
        });
        Body::from_stream(half.chain(failure))
    })
}

fn alter(mut answer: Answer, set: Map<String, Value>, remove: &[String]) -> Answer {
    if let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(&answer.body) {
        members.extend(set);
        members.retain(|name, _| !remove.contains(name));
        answer.body = Value::Object(members).to_string().into_bytes();
    }
    answer
}

/// How many faults are kept.
const MAX_FAULTS: usize = 1_000;

/// The longest delay.
const MAX_DELAY: Duration = Duration::from_mins(10);

/// How long a cut answer waits between its first half and its end.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);
