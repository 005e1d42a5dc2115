//! Pingora's phases, each carrying out what was decided in `request_filter`.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::admission::Decision;
use super::context::{RequestContext, Resend, TokenA};
use super::correlation::Correlation;
use super::gateway::Gateway;
use super::present::Present;
use super::request_headers::{self, Forwarding};
use super::switching::Ear;
use super::target::{Attempts, Repeatable};
use super::whence::Whence;
use super::{access_log, interim, respond, response_headers, tripwire, wellformed};
use crate::connection::Connection;
use crate::rejection::Rejection;

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = RequestContext;

    fn new_ctx(&self) -> RequestContext {
        RequestContext::new(Arc::clone(&self.in_flight))
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, context: &mut RequestContext) -> Result<bool> {
        if !begin_request(session) {
            return Err(Error::explain(ErrorType::ConnectionClosed, "the request came too late").into_down());
        }
        let present = Present::of(&session.req_header().headers);
        prepare_session(session, present, context);
        let generation = self.generation();
        let gate = &generation.gate;
        let edge = &gate.edge;
        context.trail.whence = Whence::of(peer_address(session), &session.req_header().headers, &edge.trusted_proxies);
        let outcome = match edge.inspect(session, present) {
            Ok(()) => gate.decide(session.req_header(), present, &mut context.trail, context.started).await,
            Err(rejection) => Err(rejection),
        };
        match outcome {
            Ok(Decision::Forward(admission)) => {
                context.admission = Some(admission);
                request_headers::forget_spelling(session.req_header_mut());
                Ok(false)
            }
            Ok(Decision::Describe(description)) => {
                self.announce_leaving(session, context);
                Box::pin(respond::describe(session, description)).await?;
                Ok(true)
            }
            Err(rejection) => {
                self.announce_leaving(session, context);
                Box::pin(respond::refuse(session, context, rejection)).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, context: &mut RequestContext) -> Result<Box<HttpPeer>> {
        let websocket = context.websocket.clone();
        let (backend, attempts) = context.at_target().ok_or_else(not_admitted)?;
        attempts.next(backend, websocket.as_ref()).await
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        is_reused: bool,
        _peer: &HttpPeer,
        connection: RawFd,
        _digest: Option<&Digest>,
        context: &mut RequestContext,
    ) -> Result<()> {
        let (backend, attempts) = context.at_target().ok_or_else(not_admitted)?;
        attempts.has_connected(backend, is_reused, connection);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        let (Some(admission), Some(correlation)) = (&context.admission, &context.correlation) else {
            return Err(not_admitted());
        };
        context.body_bytes = 0;
        let forwarding = Forwarding::of(session, &context.trail.whence);
        request_headers::prepare(request, admission, correlation, forwarding, context.websocket.is_some())?;
        let carrier = context.token_a().and_then(|token| tripwire::carrier(request, token));
        if let Some(carrier) = carrier {
            tracing::warn!(
                %carrier,
                request_id = correlation.request_id(),
                "request not sent: it still carries token A"
            );
            context.rejection = Some(Rejection::Ambiguous(tripwire::REASON));
            return Err(Error::explain(ErrorType::HTTPStatus(400), tripwire::REASON));
        }
        if let Some(ear) = &context.websocket {
            ear.close();
        }
        if request.version == Version::HTTP_2 {
            interim::meet_expectation(session, request, context).await?;
        }
        Ok(())
    }

    /// HTTP/2 may end a body with an empty frame. To an HTTP/1.1 target Pingora would write it as a last chunk of its
    /// own, before the real one: bytes that the target takes for the beginning of the next request.
    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut RequestContext,
    ) -> Result<()> {
        if !session.was_upgraded() {
            count_body(body.as_ref(), context)?;
        }
        context.check_time()?;
        if let (Some((backend, attempts)), true) = (context.at_target(), end_of_stream) {
            attempts.has_sent(backend);
        }
        if end_of_stream && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        if let Some((backend, attempts)) = context.at_target() {
            attempts.has_answered(backend, !interim::is_final(response.status));
        }
        if response.status == StatusCode::SWITCHING_PROTOCOLS
            && (context.websocket.is_none() || !wellformed::names_websocket(&response.headers))
        {
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, "nobody asked for this upgrade").into_up());
        }
        if response.status == StatusCode::UNAUTHORIZED {
            Box::pin(self.answer_unauthorized(session, response, context)).await?;
        } else if is_unauthenticated(&response.headers) {
            self.forget_credential(context);
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut RequestContext,
    ) -> Result<Option<Duration>> {
        context.check_time()?;
        Ok(None)
    }

    fn upstream_response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        context: &mut RequestContext,
    ) -> Result<()> {
        if is_unauthenticated(trailers) {
            self.forget_credential(context);
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut RequestContext,
    ) -> Result<()> {
        self.announce_leaving(session, context);
        response_headers::prepare(response, context.caller_version);
        match response.status {
            StatusCode::SWITCHING_PROTOCOLS => session.set_read_timeout(None),
            status if status.is_informational() => {
                context.awaits_continue &= status != StatusCode::CONTINUE;
                interim::precede_interim(session);
            }
            _ => {
                context.answered = Some(tokio::time::Instant::now());
                interim::precede_answer(session, response, context).await?;
            }
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut RequestContext,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let again = context.at_target().is_some_and(|(backend, attempts)| attempts.has_not_connected(backend, &error));
        error.set_retry(again);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut RequestContext,
        _client_reused: bool,
    ) -> Box<Error> {
        let mut error = error.more_context(format!("target {}", peer.address()));
        if context.resend == Resend::Due {
            context.resend = Resend::Done;
            error.set_retry(true);
            return error;
        }
        let can = Repeatable {
            is_idempotent: session.req_header().method.is_idempotent(),
            has_body: !session.as_ref().retry_buffer_truncated(),
        };
        let again =
            context.at_target().is_some_and(|(backend, attempts)| attempts.has_broken_off(backend, &error, can));
        error.set_retry(again);
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut RequestContext) -> FailToProxy {
        context.attempts.note_deadline(error);
        let answered = session.response_written().is_some_and(|response| interim::is_final(response.status));
        if answered && interim::is_body_withheld(error, context) {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        if !matches!(error.etype(), ErrorType::HTTPStatus(_)) {
            context.fault = Some((error.esource().clone(), error.etype().clone()));
        }
        let Some(rejection) = context.rejection.take().or_else(|| rejection_for(error, &context.attempts)) else {
            context.caller_left = true;
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        };
        if answered {
            respond::break_off(session, &rejection).await;
            context.rejection = Some(rejection);
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        // Pingora closes after most failures, whatever is returned here: the caller has to be told.
        session.set_keepalive(None);
        // Where the answer does not get through, nobody is left to be told.
        let _ = respond::refuse(session, context, rejection).await;
        let error_code = session.response_written().map_or(0, |response| response.status.as_u16());
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, context: &mut RequestContext) {
        context.attempts.rest();
        access_log::record(session, context, &self.metrics);
    }

    /// We log failures ourselves: Pingora's lines quote the request.
    fn suppress_error_log(&self, _session: &Session, _context: &RequestContext, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _context: &RequestContext,
        _error: &Error,
        _phase: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, context: &RequestContext) -> String {
        context.correlation.as_ref().map_or_else(String::new, |names| names.request_id().to_owned())
    }
}

impl Gateway {
    /// A WebSocket is one request for as long as it lasts, and HTTP/2 has its own farewell.
    fn announce_leaving(&self, session: &mut Session, context: &RequestContext) {
        let leaves_alone = Connection::of(session.digest()).is_some_and(Connection::is_leaving);
        if (self.is_leaving() || leaves_alone) && context.websocket.is_none() {
            session.set_keepalive(None);
        }
    }
}

/// Tells the caller's connection that a header section is complete; `false` where the connection was ended meanwhile.
fn begin_request(session: &mut Session) -> bool {
    let Some(connection) = Connection::of(session.digest()) else { return true };
    let (has_begun, body_timeout) = (connection.request_begun(), connection.limits().body_timeout);
    session.set_read_timeout(Some(body_timeout));
    has_begun
}

/// Sets what Pingora leaves open, and notes what later phases need of the caller's request.
fn prepare_session(session: &mut Session, present: Present, context: &mut RequestContext) {
    let request = session.req_header();
    context.correlation = Some(Correlation::of(&request.headers, present));
    context.token_a = request.headers.get(AUTHORIZATION).and_then(TokenA::of);
    context.caller_version = request.version;
    context.awaits_continue = present.has(Present::EXPECT) && wellformed::awaits_continue(request);
    let asks_for_websocket = present.has(Present::UPGRADE) && wellformed::asks_for_websocket(request);
    context.websocket = asks_for_websocket.then(Ear::default);
    if session.as_ref().get_keepalive().is_some() {
        session.set_keepalive(UNTIMED);
    }
    session.set_write_timeout(Some(WRITE_TIMEOUT));
    // HTTP/1.0 knows no interim answers (RFC 9110 section 15.2).
    session.as_mut().set_ignore_info_resp(context.caller_version == Version::HTTP_10);
    // Parsers disagree about chunk lines: ours reads over a line feed in an extension, where others end the line. What we
    // found to follow the body may be a part of it to whoever stands before us, and must not become a request.
    if present.has(Present::TRANSFER_ENCODING) {
        session.set_keepalive(None);
    }
    // Without this, the bytes of a second request end the connection before the first one is answered.
    session.as_mut().set_pipelining_enabled(true);
}

fn peer_address(session: &Session) -> Option<IpAddr> {
    session.client_addr().and_then(|address| address.as_inet()).map(SocketAddr::ip)
}

/// A body that turns out to be too long ends the request: with its connection to the target, before its last byte.
fn count_body(body: Option<&Bytes>, context: &mut RequestContext) -> Result<()> {
    let length = body.map_or(0, Bytes::len);
    context.body_bytes = context.body_bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    let route = &context.admission.as_ref().ok_or_else(not_admitted)?.route;
    let Err(rejection) = route.check_length(context.body_bytes) else { return Ok(()) };
    context.rejection = Some(rejection);
    // Of an error that is not the caller's, Pingora would wait for an HTTP/2 target to answer all the same.
    Err(Error::explain(ErrorType::HTTPStatus(413), "the body is longer than the route takes").into_down())
}

/// Whether gRPC says what HTTP says with 401; it comes with 200, in the header section or behind the body.
fn is_unauthenticated(headers: &HeaderMap) -> bool {
    headers.get("grpc-status").is_some_and(|status| status == "16")
}

/// What a fault of Pingora's means for the caller; `None` where the caller is gone.
fn rejection_for(error: &Error, attempts: &Attempts) -> Option<Rejection> {
    use ErrorType::{
        ConnectTimedout, ConnectionClosed, ReadError, ReadTimedout, TLSHandshakeTimedout, WriteError, WriteTimedout,
    };
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, ConnectTimedout | ReadTimedout | TLSHandshakeTimedout | WriteTimedout) => {
            Some(Rejection::TargetTimeout)
        }
        (ErrorSource::Upstream, _) if attempts.struck().is_some() => Some(Rejection::TargetTimeout),
        (ErrorSource::Upstream, _) => Some(Rejection::TargetUnavailable),
        (ErrorSource::Downstream, ConnectionClosed | ReadError | WriteError | WriteTimedout) => None,
        (ErrorSource::Downstream, _) => Some(Rejection::BrokenRequest),
        _ => Some(Rejection::Internal),
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors are boxed")]
fn not_admitted() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the request was never admitted")
}

/// Pingora keeps the connection for as long as we do: its own time would be counted anew with each byte.
const UNTIMED: Option<u64> = Some(0);
/// How long a caller may leave what was sent to it unread.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
