//! The origin by which a caller reached us, as far as its connection, its request and a trusted proxy tell.

use pingora::proxy::Session;

use super::wellformed;
use super::whence::Whence;

/// `https` or `http`: by which of them the caller came, to us or to the trusted proxy in front.
pub(super) fn scheme(session: &Session, whence: &Whence) -> &'static str {
    let own = if session.digest().is_some_and(|digest| digest.ssl_digest.is_some()) { "https" } else { "http" };
    whence.forwarded_proto(&session.req_header().headers).unwrap_or(own)
}

/// Scheme, host and port. Nothing where the request has no host, or one that would be refused: it is never repeated.
pub(super) fn of(session: &Session, whence: &Whence) -> Option<String> {
    let request = session.req_header();
    let scheme = scheme(session, whence);
    if let Some(host) = whence.forwarded_host(&request.headers) {
        return Some(format!("{scheme}://{}", host.to_str().ok()?));
    }
    let host = wellformed::host(request).ok().flatten()?;
    let port = wellformed::port(request).map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{}{port}", host.as_str()))
}
