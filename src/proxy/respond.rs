//! Sending a refusal, on a connection that stays usable where it can.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;

use super::context::RequestContext;
use crate::rejection::{Refusal, Rejection};

/// Answers the request with `rejection`.
///
/// # Errors
/// Where the caller cannot be reached any more.
pub(super) async fn refuse(
    session: &mut Session,
    context: &mut RequestContext,
    rejection: Rejection,
) -> pingora::Result<()> {
    let party = context.trail.party();
    let request_id = context.correlation.as_ref().map_or("", |names| names.request_id());
    let request = session.req_header();
    let grpc = request.headers.get(CONTENT_TYPE).filter(|value| value.as_bytes().starts_with(b"application/grpc"));
    let refusal = rejection.response(party, request_id, grpc);
    let bodiless = request.method == Method::HEAD || refusal.body.is_empty();
    keep_connection(session);
    context.rejection = Some(rejection);
    send(session, refusal, bodiless).await
}

async fn send(session: &mut Session, refusal: Refusal, bodiless: bool) -> pingora::Result<()> {
    let mut header = ResponseHeader::build(refusal.status, Some(refusal.headers.len()))?;
    if session.req_header().version == Version::HTTP_10 {
        header.set_version(Version::HTTP_10);
    }
    for (name, value) in &refusal.headers {
        header.append_header(name, value.clone())?;
    }
    if refusal.body.is_empty() && session.req_header().version != Version::HTTP_2 {
        header.insert_header(CONTENT_LENGTH, 0)?;
    }
    if bodiless {
        // In HTTP/2 the header section has to end the stream: gRPC takes it for its trailers only then.
        session.write_response_tasks(vec![HttpTask::Header(Box::new(header), true)]).await?;
        return Ok(());
    }
    session.write_response_header(Box::new(header), false).await?;
    session.write_response_body(Some(refusal.body), true).await
}

/// A refused request may still have a body to come: it is read and thrown away for a moment, so that the connection
/// can go on and the caller gets to read the answer.
fn keep_connection(session: &mut Session) {
    session.as_mut().set_close_on_response_before_downstream_finish(false);
    session.as_mut().set_total_drain_timeout(Some(DRAIN_TIMEOUT));
}

/// How long the body of a refused request is waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
