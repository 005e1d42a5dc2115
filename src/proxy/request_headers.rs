//! The header section of the forwarded request: each header that carries trust is set or removed here.

use http::header::{COOKIE, HOST, HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::admission::Admission;
use super::correlation::Correlation;
use super::whence::{Whence, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use super::{origin, spelling};

/// What the target is told about the caller's connection.
#[derive(Debug, Clone)]
pub(super) struct Forwarding {
    /// `X-Forwarded-For`.
    pub(super) client: Option<HeaderValue>,
    /// `X-Forwarded-Proto`.
    pub(super) scheme: HeaderValue,
    /// `X-Forwarded-Host`.
    pub(super) host: Option<HeaderValue>,
}

impl Forwarding {
    /// What is known of where the request comes from.
    pub(super) fn of(session: &Session, whence: &Whence) -> Self {
        let request = session.req_header();
        let authority = || request.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let host = whence.forwarded_host(&request.headers).or_else(|| request.headers.get(HOST));
        Self {
            client: whence.forwarded_for(&request.headers),
            scheme: HeaderValue::from_static(origin::scheme(session, whence)),
            host: host.cloned().or_else(authority),
        }
    }
}

/// Turns the caller's header section into the target's: everything the caller claims about itself goes, our own
/// statements and token B come.
///
/// # Errors
/// Where Pingora does not accept a header; the request is not sent then.
pub(super) fn prepare(
    request: &mut RequestHeader,
    admission: &Admission,
    correlation: &Correlation,
    forwarding: Forwarding,
) -> pingora::Result<()> {
    request.set_raw_path(admission.path.as_bytes())?;
    remove_claims(request);
    join_cookies(request)?;
    request.insert_header(HOST, admission.route.target.authority().clone())?;
    if let Some(credential) = &admission.credential {
        let name = credential.token.header_name();
        remove_spellings(request, name);
        request.insert_header(name.clone(), credential.token.header().clone())?;
    }
    if let Some(client) = forwarding.client {
        request.insert_header(X_FORWARDED_FOR, client)?;
    }
    if let Some(host) = forwarding.host {
        request.insert_header(X_FORWARDED_HOST, host)?;
    }
    request.insert_header(X_FORWARDED_PROTO, forwarding.scheme)?;
    if !correlation.continues_trace {
        request.remove_header(&TRACESTATE);
    }
    request.insert_header(X_REQUEST_ID, correlation.request_id.clone())?;
    request.insert_header(TRACEPARENT, correlation.traceparent.clone())
}

/// HTTP/2 may split `Cookie` at its semicolons, HTTP/1.1 knows only one (RFC 9113 section 8.2.3).
fn join_cookies(request: &mut RequestHeader) -> pingora::Result<()> {
    if request.headers.get_all(COOKIE).iter().nth(1).is_none() {
        return Ok(());
    }
    let parts: Vec<_> = request.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = parts.join(&b"; "[..]);
    request.insert_header(COOKIE, joined)
}

fn remove_claims(request: &mut RequestHeader) {
    let claims: Vec<HeaderName> = request.headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
    for name in claims {
        request.remove_header(&name);
    }
}

/// What some server would take for the header that only the proxy may set.
fn remove_spellings(request: &mut RequestHeader, name: &HeaderName) {
    let own = spelling::plain(name.as_str());
    let disguised = |other: &&HeaderName| *other != name && spelling::plain(other.as_str()) == own;
    let spellings: Vec<HeaderName> = request.headers.keys().filter(disguised).cloned().collect();
    for spelling in spellings {
        request.remove_header(&spelling);
    }
}

/// Whether a header says something that only the proxy may say. A header that some server would read as another one
/// counts as that one, and one that would pass for the framing of the message goes as well.
fn is_claim(name: &str) -> bool {
    let plain = spelling::plain(name);
    CLAIMS.contains(&&*plain)
        || CLAIM_PREFIXES.iter().any(|prefix| plain.starts_with(prefix))
        || FRAMING.contains(&&*plain) && spelling::is_disguised(name)
}

/// Credentials, and what gateways and load balancers say of a caller.
const CLAIMS: [&str; 12] = [
    "authorization",
    "proxy-authorization",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-rewrite-url",
    "remote-user",
    "x-remote-user",
    "x-remote-group",
];

/// Families of such headers: what a target behind another gateway may have learned to trust.
const CLAIM_PREFIXES: [&str; 7] = [
    "x-forwarded-",
    "x-original-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-auth-request-",
    "x-amzn-oidc-",
    "x-goog-authenticated-user-",
];

/// Headers that no other spelling may stand in for.
const FRAMING: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "x-request-id", "traceparent", "tracestate"];

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_go_in_every_spelling_and_the_rest_stays() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in [
            "Authorization",
            "X-Forwarded-User",
            "x-forwarded-client-cert",
            "X_Forwarded_For",
            "x-forwarded_host",
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-MS-CLIENT-PRINCIPAL-NAME",
            "X-Auth-Request-Email",
            "Proxy_Authorization",
            "authorization_",
            "X.Forwarded.For",
            "transfer.encoding",
            "Remote_User",
            "content_length",
            "content-length",
            "my_header",
            "x-request-id",
        ] {
            request.insert_header(name, "v").unwrap();
        }
        remove_claims(&mut request);
        let mut left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "my_header", "x-request-id"]);
    }
}
