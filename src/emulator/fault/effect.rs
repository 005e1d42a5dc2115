//! What becomes of an answer that meets a fault.

use std::{
    io,
    time::{Duration, SystemTime},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Fault;
use crate::emulator::{aadsts::AadstsError, answer::Answer, doorway::Connection, refusal::Refusal};

/// What becomes of an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is sent as it is.
    #[default]
    None,
    /// It is replaced; the request is not looked at.
    Answer(CannedAnswer),
    /// It is replaced by Entra's answer of this AADSTS number; the request is not looked at.
    Aadsts(AadstsError),
    /// It is replaced by 429 with plain text and the rest of [`Fault::lasting_ms`] in `Retry-After`; the request is not
    /// looked at.
    Throttle {
        /// Whether `Retry-After` is a date instead of a number of seconds.
        #[serde(default)]
        date: bool,
    },
    /// The connection closes without an answer; the request is not looked at.
    Drop,
    /// A complete HTTP message with the first half of the body.
    Truncate,
    /// The connection closes halfway through the announced body.
    Cut,
    /// White space follows the body, so that it has this many bytes, 64 MiB at most.
    Pad(usize),
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
    /// Headers in order. Without a `content-type` the body is plain text. Invalid ones are left out. A `content-length`
    /// that is longer than the body is sent, and the connection closes after the body; any other is corrected.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// Answers a request with these headers as the fault it met demands; without one, normally.
pub(in crate::emulator) async fn respond(
    fault: Option<Fault>,
    connection: &Connection,
    request: &HeaderMap,
    normal: impl FnOnce() -> Answer,
) -> Response<Body> {
    let Some(fault) = fault else { return normal().into_response() };
    tokio::time::sleep(Duration::from_millis(fault.delay_ms).min(MAX_DELAY)).await;
    match fault.effect {
        Effect::None => normal().into_response(),
        Effect::Answer(canned) => canned.into_response(),
        Effect::Aadsts(error) => Refusal::Injected(Box::new(error)).answer(request).into_response(),
        Effect::Throttle { date } => throttled(fault.lasting_ms, date).into_response(),
        Effect::Drop => sever(connection),
        Effect::Truncate => normal().into_response_with(|body| Body::from(first_half(body))),
        Effect::Cut => {
            let answer = normal();
            let announced = answer.body.len();
            broken_off(answer.map_body(first_half), announced)
        }
        Effect::Pad(size) => normal().map_body(|body| padded(body, size)).into_response(),
        Effect::Alter { set, remove } => normal().map_body(|body| altered(body, set, &remove)).into_response(),
    }
}

impl CannedAnswer {
    fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).ok().filter(|status| !status.is_informational());
        let mut answer = Answer::text(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), self.body);
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
                headers.append(name, value);
            }
        }
        let announced = headers.remove(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        answer.headers.extend(headers);
        match announced {
            Some(announced) if announced > answer.body.len() => broken_off(answer, announced),
            _ => answer.into_response(),
        }
    }
}

/// What a throttled application is told, in plain text.
fn throttled(lasting_ms: Option<u64>, date: bool) -> Answer {
    let left = lasting_ms.map_or(DEFAULT_THROTTLE, Duration::from_millis);
    // Rounded up: who comes back then is served.
    let seconds = left.as_millis().div_ceil(1000).max(1);
    let until = SystemTime::now() + Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX).min(MAX_THROTTLE));
    let value = if date { httpdate::fmt_http_date(until) } else { seconds.to_string() };
    let answer = Answer::text(StatusCode::TOO_MANY_REQUESTS, "Too many requests. Please try again later.\n");
    match HeaderValue::from_str(&value) {
        Ok(value) => answer.header(header::RETRY_AFTER, value),
        Err(_) => answer,
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

fn padded(mut body: Vec<u8>, size: usize) -> Vec<u8> {
    body.resize(body.len().max(size.min(MAX_PADDED)), b' ');
    body
}

/// Announces a longer body than there is, sends what there is, and fails.
fn broken_off(mut answer: Answer, announced: usize) -> Response<Body> {
    answer.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
    answer.into_response_with(|body| {
        let start = stream::iter([Ok(Bytes::from(body))]);
        let failure = stream::once(async {
            // What was sent is still in a write buffer; it leaves before the failure discards it.
            tokio::time::sleep(FLUSH_PAUSE).await;
            Err(io::Error::from(io::ErrorKind::ConnectionAborted))
        });
        Body::from_stream(start.chain(failure))
    })
}

fn altered(body: Vec<u8>, set: Map<String, Value>, remove: &[String]) -> Vec<u8> {
    match serde_json::from_slice::<Map<String, Value>>(&body) {
        Ok(mut members) => {
            members.extend(set);
            members.retain(|name, _| !remove.contains(name));
            Value::Object(members).to_string().into_bytes()
        }
        Err(_) => body,
    }
}

/// The longest delay.
const MAX_DELAY: Duration = Duration::from_mins(10);

/// How long a broken-off answer waits between its last byte and its end.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);

/// What `Retry-After` says of a fault without an end.
const DEFAULT_THROTTLE: Duration = Duration::from_secs(30);

/// The farthest moment that `Retry-After` names, in seconds from now.
const MAX_THROTTLE: u64 = 366 * 24 * 3600;

/// The longest body after padding.
const MAX_PADDED: usize = 64 * 1024 * 1024;
