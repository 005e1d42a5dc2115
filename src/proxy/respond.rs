//! Sending a refusal, on a connection that stays usable where it can.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue,
};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};
use tokio::time::timeout;

use super::context::RequestContext;
use super::origin;
use super::resource_metadata::{Description, METHODS};
use crate::rejection::Rejection;

/// Answers the request with `rejection`.
///
/// # Errors
/// Where the caller cannot be reached any more.
pub(super) async fn refuse(
    session: &mut Session,
    context: &mut RequestContext,
    rejection: Rejection,
) -> pingora::Result<()> {
    let metadata = context.trail.metadata(|| origin::of(session, &context.trail.whence));
    let party = context.trail.party(metadata.as_deref());
    let request_id = context.correlation.as_ref().map_or("", |names| names.request_id());
    let request = session.req_header();
    let refusal = rejection.response(party, request_id, grpc_type(&request.headers));
    let bodiless = request.method == Method::HEAD || refusal.body.is_empty();
    let in_doubt = rejection.doubts_message();
    context.rejection = Some(rejection);
    let withheld = context.awaits_continue && !session.as_mut().is_body_done();
    if withheld || in_doubt {
        // Whether the body still comes is for the caller to decide; what follows could be that or another request.
        session.set_keepalive(None);
    }
    keep_connection(session);
    send(session, refusal.status, refusal.headers, refusal.body, bodiless).await?;
    if withheld {
        // A caller that sends it all the same gets to read the answer. Where it does not, there is nothing to read.
        let _ = session.as_mut().drain_request_body().await;
    }
    Ok(())
}

/// Ends an answer that has begun and cannot be completed: a gRPC caller of HTTP/2 is told why in the trailers, others
/// see it break off, and get what there is of it. Pingora would keep that back: its caller would see a connection that
/// ends without an answer, and might take its request for one that was never served.
pub(super) async fn break_off(session: &mut Session, rejection: &Rejection) {
    let grpc = session.response_written().is_some_and(|response| grpc_type(&response.headers).is_some());
    if grpc && session.as_ref().is_http2() {
        // Where they do not get through, nobody is left to be told.
        let _ = session.as_mut().write_response_trailers(rejection.grpc_trailers()).await;
    }
    if !session.as_ref().is_http2() {
        // Of several tasks, one that failed sends what was written before it.
        let failed = || HttpTask::Failed(Error::new(ErrorType::InternalError));
        let flush = session.write_response_tasks(vec![failed(), failed()]);
        // It ends with that very failure.
        let _ = timeout(FLUSH_TIMEOUT, flush).await;
    }
}

/// The `content-type` of a message of gRPC. What pages of browsers speak, `application/grpc-web`, is none.
fn grpc_type(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(CONTENT_TYPE).filter(|value| {
        let rest = value.as_bytes().strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    })
}

/// Answers a request for the metadata of a route. They are for everybody, pages of other origins and caches included,
/// so that nothing in the answer is of one request.
///
/// # Errors
/// Where the caller cannot be reached any more.
pub(super) async fn describe(session: &mut Session, description: Description) -> pingora::Result<()> {
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let (status, body) = match description {
        Description::Document(document) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CONTENT_LENGTH, document.len().into());
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
            (StatusCode::OK, document)
        }
        Description::Leave => {
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
            (StatusCode::NO_CONTENT, Bytes::new())
        }
    };
    let bodiless = session.req_header().method == Method::HEAD || body.is_empty();
    keep_connection(session);
    send(session, status, headers, body, bodiless).await
}

async fn send(
    session: &mut Session,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    bodiless: bool,
) -> pingora::Result<()> {
    let mut header = ResponseHeader::build(status, Some(headers.len()))?;
    if session.req_header().version == Version::HTTP_10 {
        header.set_version(Version::HTTP_10);
    }
    for (name, value) in &headers {
        header.append_header(name, value.clone())?;
    }
    if body.is_empty() && status != StatusCode::NO_CONTENT && session.req_header().version != Version::HTTP_2 {
        header.insert_header(CONTENT_LENGTH, 0)?;
    }
    if bodiless {
        // In HTTP/2 the header section has to end the stream: gRPC takes it for its trailers only then.
        session.write_response_tasks(vec![HttpTask::Header(Box::new(header), true)]).await?;
        return Ok(());
    }
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(body), true).await
}

/// A refused request may still have a body to come: it is read and thrown away for a moment, so that the connection
/// can go on and the caller gets to read the answer.
fn keep_connection(session: &mut Session) {
    session.as_mut().set_close_on_response_before_downstream_finish(false);
    session.as_mut().set_total_drain_timeout(Some(DRAIN_TIMEOUT));
}

/// How long the body of a refused request is waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the beginning of an answer without an end may take to leave.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
