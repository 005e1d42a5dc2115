//! Answers before the answer: `100 (Continue)`, the callers that wait for it, and the old ones that know nothing of it.

use std::time::Duration;

use http::header::{CONTENT_LENGTH, EXPECT};
use http::{StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, Result};

use super::context::RequestContext;

/// For a request to an HTTP/2 target, of which Pingora hears no interim answers: a caller that waits for one is told to
/// go on by us, and the target is not asked (RFC 9110 section 10.1.1).
///
/// # Errors
/// Where the caller cannot be reached any more.
pub(super) async fn meet_expectation(
    session: &mut Session,
    request: &mut RequestHeader,
    context: &mut RequestContext,
) -> Result<()> {
    request.remove_header(&EXPECT);
    if std::mem::take(&mut context.awaits_continue) {
        precede_interim(session);
        session.as_mut().write_continue_response().await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// Before an interim answer: one that comes before the body does not end the connection, as Pingora would have it.
pub(super) fn precede_interim(session: &mut Session) {
    session.as_mut().set_close_on_response_before_downstream_finish(false);
}

/// Fits the connection to the final answer that is about to be relayed.
///
/// # Errors
/// Where the caller cannot be reached any more.
pub(super) async fn precede_answer(
    session: &mut Session,
    response: &ResponseHeader,
    context: &RequestContext,
) -> Result<()> {
    session.as_mut().set_close_on_response_before_downstream_finish(true);
    if context.awaits_continue && !session.as_mut().is_body_done() {
        // The answer stands without the body, which may or may not come now; the connection ends either way.
        session.set_read_timeout(Some(LINGER));
    }
    if context.caller_version == Version::HTTP_10 && !response.headers.contains_key(CONTENT_LENGTH) {
        // Only the end of the connection tells this caller where the body ends.
        session.set_keepalive(None);
        if response.version == Version::HTTP_2 {
            // Behind our back Pingora would have it sent in chunks. It sends no second header section.
            let mut header = Box::new(response.clone());
            header.set_version(Version::HTTP_11);
            session.as_mut().write_response_header(header).await.map_err(Error::into_down)?;
        }
    }
    Ok(())
}

/// Whether the fault is only that a caller did not send the body that it kept back, once it had its answer.
pub(super) fn is_body_withheld(error: &Error, context: &RequestContext) -> bool {
    context.awaits_continue && *error.esource() == ErrorSource::Downstream
}

/// Whether no other answer can follow: what comes behind `101` is no HTTP any more.
pub(super) fn is_final(status: StatusCode) -> bool {
    !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS
}

/// How long a body is waited for that its caller kept back and that nobody needs any more.
const LINGER: Duration = Duration::from_secs(1);
