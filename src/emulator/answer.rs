//! An HTTP answer of the identity provider before any fault is applied to it.

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
};
use serde::Serialize;

/// Status, headers and a complete body.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A JSON document.
    pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Self {
        // Everything serialised here is strings, numbers, and maps keyed by strings or numbers: it cannot fail.
        let body = serde_json::to_vec(document).unwrap_or_default();
        Self::new(status, "application/json; charset=utf-8", body)
    }

    /// Plain text.
    pub(super) fn text(status: StatusCode, text: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text.into())
    }

    /// A page.
    pub(super) fn html(page: impl Into<Vec<u8>>) -> Self {
        Self::new(StatusCode::OK, "text/html; charset=utf-8", page.into())
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// The answer with another body.
    pub(super) fn map_body(self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        Self { body: change(self.body), ..self }
    }

    /// Forbids caching, as RFC 6749 section 5.1 demands of answers that carry a token.
    pub(super) fn no_store(self) -> Self {
        self.header(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"))
            .header(header::PRAGMA, HeaderValue::from_static("no-cache"))
    }

    /// The answer with another body type, `body` being made from the complete one.
    pub(super) fn into_response_with(self, body: impl FnOnce(Vec<u8>) -> Body) -> Response<Body> {
        let mut response = Response::new(body(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    /// The answer as it is.
    pub(super) fn into_response(self) -> Response<Body> {
        self.into_response_with(Body::from)
    }

    fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { status, headers, body }
    }
}
