//! The echo: a request described as JSON, with its token summarised instead of repeated.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Response, StatusCode, header, request},
};
use futures_util::StreamExt as _;
use serde::Serialize;
use serde_json::{Map, Value};

use super::super::{
    answer::Answer,
    jwt,
    observations::header_pairs,
    saml::{self, Assertion},
};

/// A request without its body.
#[derive(Debug, Clone)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
}

impl RequestHead {
    /// The first bearer token.
    pub(super) fn bearer(&self) -> Option<&str> {
        self.bearers().next()
    }

    /// All SAML assertions in any header, with the header's name.
    pub(super) fn assertions(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        texts.map(|(name, value)| (name, token_of(value))).filter(|(_, token)| saml::is_assertion(token))
    }

    /// All bearer tokens; more than one is a fault of whoever sent them.
    pub(super) fn bearers(&self) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
        let credentials = values.filter_map(|value| value.split_once(' '));
        credentials
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim_start_matches(' '))
    }
}

impl From<request::Parts> for RequestHead {
    fn from(parts: request::Parts) -> Self {
        Self {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
        }
    }
}

/// The echoed document.
#[derive(Serialize)]
struct Echo {
    method: String,
    path: String,
    query: Option<String>,
    /// In the order of their first occurrence.
    headers: Vec<(String, String)>,
    authorization: Option<Authorization>,
    /// The SAML assertions in any header.
    assertions: Vec<AssertionSummary>,
    body_bytes: u64,
    body_sha256: String,
    tls: bool,
}

/// A summary of the `Authorization` header.
#[derive(Serialize)]
struct Authorization {
    scheme: String,
    token_sha256: String,
    claims: Option<Map<String, Value>>,
}

/// A SAML assertion.
#[derive(Serialize)]
struct AssertionSummary {
    header: String,
    token_sha256: String,
    /// Of an assertion of the emulator's.
    subject: Option<String>,
    audience: Option<String>,
}

/// Reads the body, of any length, and describes the request.
pub(super) async fn echo(head: RequestHead, body: Body, tls: bool) -> Response<Body> {
    let Some((body_bytes, body_sha256)) = digest_body(body).await else {
        return Answer::text(StatusCode::BAD_REQUEST, "the request body ended early\n").into_response();
    };
    let echo = Echo {
        authorization: head.headers.get(header::AUTHORIZATION).map(|value| summary(value.as_bytes())),
        assertions: head.assertions().map(assertion_summary).collect(),
        headers: header_pairs(&head.headers).into_iter().map(without_token).collect(),
        method: head.method.to_string(),
        path: head.path,
        query: head.query,
        body_bytes,
        body_sha256,
        tls,
    };
    Answer::json(StatusCode::OK, &echo).into_response()
}

/// The SHA-256 of some bytes in hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    hex(context)
}

/// Length and SHA-256 of a body, or nothing if it breaks off. Only one frame is in memory at a time.
async fn digest_body(body: Body) -> Option<(u64, String)> {
    let (mut context, mut length) = (Context::new(&SHA256), 0);
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.ok()?;
        context.update(&frame);
        length += frame.len() as u64;
    }
    Some((length, hex(context)))
}

fn hex(context: Context) -> String {
    context.finish().as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}

fn summary(value: &[u8]) -> Authorization {
    let value = String::from_utf8_lossy(value);
    let (scheme, token) = value.split_once(' ').unwrap_or((&value, ""));
    Authorization {
        scheme: scheme.to_owned(),
        token_sha256: sha256_hex(token.as_bytes()),
        claims: jwt::unverified_claims(token),
    }
}

fn assertion_summary((header, token): (&str, &str)) -> AssertionSummary {
    let (subject, audience) = Assertion::read(token).map(|assertion| (assertion.user, assertion.audience)).unzip();
    AssertionSummary { header: header.to_owned(), token_sha256: sha256_hex(token.as_bytes()), subject, audience }
}

/// What stands after a scheme, or all where there is none.
fn token_of(value: &str) -> &str {
    value.rsplit_once(' ').map_or(value, |(_, token)| token)
}

/// A header as it is shown: of `Authorization` only the scheme and a digest, of a SAML assertion only a digest.
fn without_token((name, value): (String, String)) -> (String, String) {
    if name != header::AUTHORIZATION.as_str() {
        let token = token_of(&value);
        let hidden = saml::is_assertion(token).then(|| format!("sha256:{}", sha256_hex(token.as_bytes())));
        return (name, hidden.map_or_else(|| value.clone(), |digest| value.replace(token, &digest)));
    }
    let summary = summary(value.as_bytes());
    (name, format!("{} sha256:{}", summary.scheme, summary.token_sha256))
}
