//! The target's answers other than the echo.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, StatusCode, header},
};
use futures_util::{StreamExt as _, stream};

use super::super::answer::Answer;

/// Plain text.
pub(super) fn text(status: StatusCode, text: &str) -> Response<Body> {
    Answer::text(status, text).into_response()
}

/// 401 with these challenges, each in a header of its own.
pub(super) fn challenge(values: &[String]) -> Response<Body> {
    let values = values.iter().filter_map(|value| HeaderValue::from_bytes(value.as_bytes()).ok());
    let answer = Answer::text(StatusCode::UNAUTHORIZED, "the target wants more of the user\n");
    values.fold(answer, |answer, value| answer.header(header::WWW_AUTHENTICATE, value)).into_response()
}

/// 401 for a token that is not good, or not any more.
pub(super) fn invalid_token() -> Response<Body> {
    let value = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
    Answer::text(StatusCode::UNAUTHORIZED, "the target refuses the token\n")
        .header(header::WWW_AUTHENTICATE, value)
        .into_response()
}

/// A status and its name.
pub(super) fn status(status: StatusCode) -> Response<Body> {
    text(status, &format!("{status}\n"))
}

/// `count` bytes with a `Content-Length`, never more than one chunk of them in memory.
pub(super) fn bytes(count: u64) -> Response<Body> {
    static CHUNK: [u8; CHUNK_SIZE] = [b'o'; CHUNK_SIZE];
    let chunks = stream::unfold(count, |left| async move {
        let size = usize::try_from(left).unwrap_or(CHUNK_SIZE).min(CHUNK_SIZE);
        let chunk = CHUNK.get(..size).filter(|chunk| !chunk.is_empty())?;
        Some((Ok::<_, Infallible>(Bytes::from_static(chunk)), left - chunk.len() as u64))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    response
}

/// Three server-sent events with a pause before each but the first.
pub(super) fn events() -> Response<Body> {
    let events = stream::iter(1..=3).then(|number: u8| async move {
        if number > 1 {
            tokio::time::sleep(EVENT_PAUSE).await;
        }
        Ok::<_, io::Error>(Bytes::from(format!("id: {number}\ndata: event {number}\n\n")))
    });
    let mut response = Response::new(Body::from_stream(events));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// How many bytes are sent at a time.
const CHUNK_SIZE: usize = 64 * 1024;

/// The time between two events.
const EVENT_PAUSE: Duration = Duration::from_millis(50);
