//! One line for every request, written when it is over.

use std::fmt;
use std::time::Duration;

use http::Method;
use memchr::memmem;
use pingora::proxy::Session;

use super::context::{RequestContext, Resend};
use super::target::Deadline;
use super::wellformed;
use crate::connection::Connection;
use crate::rejection::Rejection;
use crate::telemetry::Metrics;

/// Writes the access line and counts the request.
pub(super) fn record(session: &Session, context: &RequestContext, metrics: &Metrics) {
    let status = session.response_written().map(|response| response.status);
    let status_text = status.as_ref().map_or("0", http::StatusCode::as_str);
    let code = match &context.rejection {
        Some(rejection) => rejection.code(),
        None if context.caller_left => "caller_left",
        None => "",
    };
    let route = context.trail.route.as_ref();
    let took = context.started.elapsed();
    match route {
        Some(route) => route.metrics.request(status_text, code, took),
        None => metrics.request(status_text, code, took),
    }
    let route = route.map_or("", |route| &*route.name);
    if let Some((limit, by)) = context.rejection.as_ref().and_then(Rejection::exceeded) {
        metrics.rate_limited(route, limit, by.as_str());
    }
    let caller = context.trail.caller.as_deref();
    let credential = context.admission.as_ref().and_then(|admission| admission.credential.as_ref());
    let request = session.req_header();
    let attempts = &context.attempts;
    tracing::info!(
        status = status.map_or(0, |status| status.as_u16()),
        code,
        reason = context.rejection.as_ref().map(Rejection::reason).unwrap_or_default(),
        found = context.rejection.as_ref().and_then(|rejection| rejection.found()),
        correlation_id = context.rejection.as_ref().and_then(|rejection| rejection.correlation_id()),
        connect_error = attempts.connect_error(),
        deadline = attempts.struck().map(Deadline::as_str),
        address = attempts.address(),
        attempts = attempts.count(),
        connect_ms = attempts.connect_time().map(milliseconds),
        fault = context.fault.as_ref().map(|(source, kind)| format!("{} {}", source.as_str(), kind.as_str())),
        route,
        method = logged_method(&request.method),
        path = logged_path(context, request.uri.path()),
        oid = caller.map_or("", |caller| caller.subject()),
        tid = caller.map_or("", |caller| caller.tenant().id()),
        client = caller.and_then(|caller| caller.client()).unwrap_or_default(),
        token_source = credential.map_or("", |credential| credential.source.as_str()),
        resent = context.resend == Resend::Done,
        duration_ms = milliseconds(took),
        exchange_ms = credential.and_then(|credential| credential.waited).map(milliseconds),
        target_ms = target_time(context).map(milliseconds),
        bytes_out = session.body_bytes_sent(),
        remote = %Remote(session, context),
        proxy = context.trail.whence.proxy().map(tracing::field::display),
        request_id = context.correlation.as_ref().map_or("", |names| names.request_id()),
        trace_id = context.correlation.as_ref().map_or("", |names| names.trace_id()),
        "request"
    );
}

/// The caller's address; with its port where it is the caller that connected to us.
struct Remote<'a>(&'a Session, &'a RequestContext);

impl fmt::Display for Remote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(session, context) = self;
        let by_proxy = context.trail.whence.address.filter(|_| context.trail.whence.proxy().is_some());
        match (by_proxy, Connection::of(session.digest()).and_then(Connection::caller)) {
            (Some(address), _) => address.fmt(f),
            (None, Some(caller)) => f.write_str(&caller.text),
            (None, None) => session.client_addr().map_or(Ok(()), |address| address.fmt(f)),
        }
    }
}

/// The method, where it is one: a caller may have put anything in its place, its token even.
fn logged_method(method: &Method) -> &str {
    if wellformed::check_method(method).is_ok() { method.as_str() } else { "(withheld)" }
}

/// The path, never the query, and not at all where it could hold a token.
fn logged_path<'a>(context: &RequestContext, path: &'a str) -> &'a str {
    // Hardly ever is a path as long as a token, so that the search itself is rarely prepared.
    let holds = |token: &[u8]| path.len() >= token.len() && memmem::find(path.as_bytes(), token).is_some();
    let hides_token = path.len() > MAX_LOGGED_PATH || context.token_a().is_some_and(holds);
    if hides_token || path.contains("eyJ") { "(withheld)" } else { path }
}

/// From the moment when the target was turned to, connection included, to its header section.
fn target_time(context: &RequestContext) -> Option<Duration> {
    Some(context.answered?.duration_since(context.attempts.turned()?))
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The longest path that is logged, in bytes.
const MAX_LOGGED_PATH: usize = 1024;
