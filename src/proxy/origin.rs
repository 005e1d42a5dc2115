//! The origin by which a caller reached us, as far as its connection and its request tell.

use pingora::proxy::Session;

use super::wellformed;

/// Whether the caller's connection is protected by TLS that ends here.
pub(super) fn is_tls(session: &Session) -> bool {
    session.digest().is_some_and(|digest| digest.ssl_digest.is_some())
}

/// Scheme, host and port. Nothing where the request has no host, or one that would be refused: it is never repeated.
pub(super) fn of(session: &Session) -> Option<String> {
    let request = session.req_header();
    let host = wellformed::host(request).ok().flatten()?;
    let scheme = if is_tls(session) { "https" } else { "http" };
    let port = wellformed::port(request).map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{}{port}", host.as_str()))
}
