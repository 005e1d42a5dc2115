//! The header section of the forwarded request: each header that carries trust is set or removed here.

use std::borrow::Cow;

use http::Uri;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap,
    HeaderName, HeaderValue, UPGRADE, USER_AGENT,
};
use http::request::Parts;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use super::admission::Admission;
use super::correlation::{Correlation, TRACEPARENT, X_REQUEST_ID};
use super::whence::{Whence, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use super::{origin, spelling};
use crate::connection::Connection;

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
        let caller = Connection::of(session.digest()).and_then(Connection::caller);
        Self {
            client: whence.forwarded_for(&request.headers, caller.map(|caller| &caller.forwarded_for)),
            scheme: HeaderValue::from_static(origin::scheme(session, whence)),
            host: host.cloned().or_else(authority),
        }
    }
}

/// Turns the caller's header section into the target's: everything the caller claims about itself goes, our own
/// statements and token B come, and what is about the caller's connection stays only where the request `goes_on` as a
/// WebSocket. Names are in lower case afterwards (RFC 9110 section 5.1: it is no matter).
///
/// # Errors
/// Where the path is none; the request is not sent then.
pub(super) fn prepare(
    request: &mut RequestHeader,
    admission: &Admission,
    correlation: &Correlation,
    forwarding: Forwarding,
    goes_on: bool,
) -> pingora::Result<()> {
    let path = admission.path.as_ref().map(|path| (path, Uri::from_maybe_shared(path.clone())));
    if let Some((path, Err(_))) = path {
        // What our library calls no path is sent as it came all the same, if Pingora finds a way.
        request.set_raw_path(path)?;
    }
    change_parts(request, |parts| {
        if let Some((_, Ok(path))) = path {
            parts.uri = path;
        }
        let headers = &mut parts.headers;
        headers.reserve(OUR_OWN);
        let credential = admission.credential.as_ref().map(|credential| &credential.token);
        remove_claims(headers, credential.map(|token| token.header_name()), goes_on);
        join_cookies(headers);
        headers.insert(HOST, admission.route.target.authority().clone());
        if let Some(token) = credential {
            headers.insert(token.header_name(), token.header().clone());
        }
        if let Some(client) = forwarding.client {
            headers.insert(X_FORWARDED_FOR, client);
        }
        if let Some(host) = forwarding.host {
            headers.insert(X_FORWARDED_HOST, host);
        }
        headers.insert(X_FORWARDED_PROTO, forwarding.scheme);
        if correlation.has_foreign_state {
            headers.remove(&TRACESTATE);
        }
        headers.insert(X_REQUEST_ID, correlation.request_id.clone());
        headers.insert(TRACEPARENT, correlation.traceparent.clone());
    });
    Ok(())
}

/// Forgets how the caller spelled the names of its headers. The copy of the request that is sent costs less then.
pub(super) fn forget_spelling(request: &mut RequestHeader) {
    change_parts(request, |_| ());
}

/// Pingora keeps the names as the caller spelled them beside the headers, and pays for it with each change of one. There
/// is no other way around that than by the parts that a request is made of.
fn change_parts(request: &mut RequestHeader, change: impl FnOnce(&mut Parts)) {
    let nothing = http::Request::new(()).into_parts().0;
    let mut parts = Parts::from(std::mem::replace(request, nothing.into()));
    change(&mut parts);
    *request = parts.into();
}

/// HTTP/2 may split `Cookie` at its semicolons, HTTP/1.1 knows only one (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let parts: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_maybe_shared(parts.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Removes what only the proxy may say, and what some server would take for the header `ours`. That one itself stays: it
/// is replaced. What is about the connection goes unless the request `goes_on` as another protocol.
fn remove_claims(headers: &mut HeaderMap, ours: Option<&HeaderName>, goes_on: bool) {
    let spelled = ours.map_or(Cow::Borrowed(""), |ours| spelling::plain(ours.as_str()));
    let is_unwanted = |name: &&HeaderName| {
        if HARMLESS.contains(name) {
            return false;
        }
        if **name == CONNECTION || **name == UPGRADE {
            return !goes_on;
        }
        let text = name.as_str();
        // Most others need no second look.
        let may_be = spelling::first_letter(text)
            .is_some_and(|first| FIRST_LETTERS.contains(&first) || spelled.as_bytes().first() == Some(&first));
        may_be && ours != Some(*name) && {
            let plain = spelling::plain(text);
            is_claim(text, &plain) || (!plain.is_empty() && plain == spelled)
        }
    };
    let unwanted: Vec<HeaderName> = headers.keys().filter(is_unwanted).cloned().collect();
    for name in unwanted {
        headers.remove(&name);
    }
}

/// Whether a header says something that only the proxy may say; `plain` is its name's [`spelling::plain`]. A header that
/// some server would read as another one counts as that one, and one that would pass for the framing of the message goes
/// as well.
fn is_claim(name: &str, plain: &str) -> bool {
    CLAIMS.contains(&plain)
        || CLAIM_PREFIXES.iter().any(|prefix| plain.starts_with(prefix))
        || plain != name && FRAMING.contains(&plain)
}

/// What nearly every request has.
static HARMLESS: [HeaderName; 8] =
    [HOST, USER_AGENT, ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_TYPE, CONTENT_LENGTH, COOKIE];

/// What all of the names begin with that are looked for.
const FIRST_LETTERS: &[u8] = b"acfhprtx";

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

/// How many headers we may add.
const OUR_OWN: usize = 6;
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
            "connection",
            "upgrade",
        ] {
            request.insert_header(name, "v").unwrap();
        }
        change_parts(&mut request, |parts| remove_claims(&mut parts.headers, None, false));
        let mut left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "my_header", "x-request-id"]);
    }

    #[test]
    fn a_websocket_keeps_what_asks_for_it() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        remove_claims(&mut headers, None, true);
        assert_eq!(headers.len(), 2);
        remove_claims(&mut headers, None, false);
        assert!(headers.is_empty());
    }

    #[test]
    fn our_own_header_is_replaced_and_its_other_spellings_go() {
        let mut headers = HeaderMap::new();
        for name in ["x-api-token", "x_api_token", "x-api-token-", "authorization", "x-api-tokens"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        remove_claims(&mut headers, Some(&HeaderName::from_static("x-api-token")), false);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["x-api-token", "x-api-tokens"]);
        headers.insert(http::header::AUTHORIZATION, HeaderValue::from_static("v"));
        remove_claims(&mut headers, Some(&http::header::AUTHORIZATION), false);
        assert!(headers.contains_key("authorization"));
    }

    #[test]
    fn what_is_looked_for_begins_as_it_is_said_to() {
        assert!(!HARMLESS.iter().any(|name| is_claim(name.as_str(), &spelling::plain(name.as_str()))));
        for name in CLAIMS.iter().chain(&CLAIM_PREFIXES).chain(&FRAMING) {
            assert!(FIRST_LETTERS.contains(&name.as_bytes()[0]), "{name}");
        }
    }

    #[test]
    fn the_rest_of_a_request_stays() {
        let mut request = RequestHeader::build("PATCH", b"/a?b", None).unwrap();
        request.set_version(http::Version::HTTP_2);
        request.append_header("X-Two", "1").unwrap();
        request.append_header("x-two", "2").unwrap();
        forget_spelling(&mut request);
        assert_eq!((request.method.as_str(), request.raw_path()), ("PATCH", &b"/a?b"[..]));
        assert_eq!((request.version, request.send_end_stream()), (http::Version::HTTP_2, Some(true)));
        assert_eq!(request.headers.get_all("x-two").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
