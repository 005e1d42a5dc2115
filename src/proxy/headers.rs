//! The header sections of the forwarded request and of the relayed response: each header that carries trust is set or
//! removed here, by name.

use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, FORWARDED, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{StatusCode, Version};
use memchr::memmem;
use pingora::http::{RequestHeader, ResponseHeader};

use super::admission::Admission;
use super::correlation::Correlation;

/// What the target is told about the caller's connection.
#[derive(Debug, Clone)]
pub(super) struct Forwarding {
    /// `X-Forwarded-For`.
    pub(super) client: Option<HeaderValue>,
    /// `X-Forwarded-Proto`.
    pub(super) scheme: &'static str,
    /// `X-Forwarded-Host`.
    pub(super) host: Option<HeaderValue>,
}

/// Turns the caller's header section into the target's: everything the caller claims about itself goes, our own
/// statements and token B come.
///
/// # Errors
/// Where Pingora does not accept a header; the request is not sent then.
pub(super) fn prepare_request(
    request: &mut RequestHeader,
    admission: &Admission,
    correlation: &Correlation,
    forwarding: &Forwarding,
) -> pingora::Result<()> {
    request.set_raw_path(admission.path.as_bytes())?;
    for name in [&AUTHORIZATION, &PROXY_AUTHORIZATION, &FORWARDED] {
        request.remove_header(name);
    }
    for name in CLAIMED {
        request.remove_header(name);
    }
    remove_disguised(request);
    join_cookies(request)?;
    request.insert_header(HOST, admission.route.target.authority())?;
    if let Some(credential) = &admission.credential {
        request.insert_header(AUTHORIZATION, credential.token.header().clone())?;
    }
    if let Some(client) = &forwarding.client {
        request.insert_header(X_FORWARDED_FOR, client.clone())?;
    }
    if let Some(host) = &forwarding.host {
        request.insert_header(X_FORWARDED_HOST, host.clone())?;
    }
    request.insert_header(X_FORWARDED_PROTO, forwarding.scheme)?;
    if !correlation.continues_trace {
        request.remove_header("tracestate");
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

/// Some servers read `_` as `-`: a header that would pass for one of ours that way is removed.
fn remove_disguised(request: &mut RequestHeader) {
    if !request.headers.keys().any(|name| name.as_str().contains('_')) {
        return;
    }
    let disguised: Vec<HeaderName> = request
        .headers
        .keys()
        .filter(|name| name.as_str().contains('_') && decides(&name.as_str().replace('_', "-")))
        .cloned()
        .collect();
    for name in disguised {
        request.remove_header(&name);
    }
}

fn decides(name: &str) -> bool {
    CLAIMED.contains(&name)
        || [X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_REQUEST_ID].contains(&name)
        || [AUTHORIZATION, PROXY_AUTHORIZATION, FORWARDED, HOST, TRANSFER_ENCODING].iter().any(|own| *own == *name)
        || name == "content-length"
}

/// The last look before a request leaves: where in it token A still is, if anywhere.
pub(super) fn carries(request: &RequestHeader, token_a: &[u8]) -> Option<String> {
    let finder = memmem::Finder::new(token_a);
    if finder.find(request.raw_path()).is_some() {
        return Some("the request target".to_owned());
    }
    let carrier = request
        .headers
        .iter()
        .find(|(_, value)| value.len() >= token_a.len() && finder.find(value.as_bytes()).is_some());
    carrier.map(|(name, _)| format!("header {name}"))
}

/// Removes what concerned only the connection to the target (RFC 9110 section 7.6.1), and fits the answer to a caller
/// that speaks HTTP/1.0. Everything else stays as it came, each value in its place.
pub(super) fn prepare_response(response: &mut ResponseHeader, caller_version: Version) {
    let upgraded = response.status == StatusCode::SWITCHING_PROTOCOLS;
    if !upgraded {
        for name in nominated(response) {
            response.remove_header(&name);
        }
        for name in [&CONNECTION, &UPGRADE] {
            response.remove_header(name);
        }
    }
    for name in [&PROXY_AUTHENTICATE, &TE] {
        response.remove_header(name);
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authentication-info"] {
        response.remove_header(name);
    }
    if caller_version == Version::HTTP_10 && response.headers.contains_key(TRANSFER_ENCODING) {
        response.remove_header(&TRANSFER_ENCODING);
        response.remove_header(&TRAILER);
    }
}

fn nominated(response: &ResponseHeader) -> Vec<HeaderName> {
    let values = response.headers.get_all(CONNECTION).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
        .filter(|name| !KEPT.contains(name))
        .collect()
}

/// Whether a 401 of the target asks the caller for something that only the caller can bring: claims, or a stronger or
/// more recent sign-in (RFC 9470). In doubt it does, and is relayed.
pub(super) fn has_claims_challenge(response: &ResponseHeader) -> bool {
    response.headers.get_all(http::header::WWW_AUTHENTICATE).iter().any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        CHALLENGES.iter().any(|sign| memmem::find(&value, sign).is_some())
    })
}

/// What a caller could claim about itself, and only we may say.
const CLAIMED: [&str; 10] = [
    X_FORWARDED_FOR,
    X_FORWARDED_HOST,
    X_FORWARDED_PROTO,
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-prefix",
    "x-forwarded-scheme",
    "x-real-ip",
    "x-original-url",
];

/// Headers that frame or decide a response; a target cannot have them removed.
const KEPT: [HeaderName; 4] =
    [http::header::CONTENT_LENGTH, TRANSFER_ENCODING, http::header::WWW_AUTHENTICATE, http::header::CONTENT_TYPE];

const CHALLENGES: [&[u8]; 3] = [b"claims", b"insufficient_user_authentication", b"acr_values"];

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
const X_REQUEST_ID: &str = "x-request-id";
const TRACEPARENT: &str = "traceparent";

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&'static str, &[u8])]) -> ResponseHeader {
        let mut response = ResponseHeader::build(401, None).unwrap();
        for (name, value) in headers {
            response.append_header(*name, HeaderValue::from_bytes(value).unwrap()).unwrap();
        }
        response
    }

    #[test]
    fn finds_token_a_wherever_it_hides() {
        let mut request = RequestHeader::build("GET", b"/a?x=eyJ.a.b", None).unwrap();
        assert_eq!(carries(&request, b"eyJ.a.b").as_deref(), Some("the request target"));
        assert_eq!(carries(&request, b"eyJ.other"), None);
        request.insert_header("X-Token", "v1 eyJ.c.d;").unwrap();
        assert_eq!(carries(&request, b"eyJ.c.d").as_deref(), Some("header x-token"));
    }

    #[test]
    fn disguised_headers_go_and_others_stay() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in ["X_Forwarded_For", "Proxy_Authorization", "content_length", "my_header", "x-forwarded_host"] {
            request.insert_header(name, "v").unwrap();
        }
        remove_disguised(&mut request);
        assert_eq!(request.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["my_header"]);
    }

    #[test]
    fn hop_by_hop_headers_of_a_response_go_and_challenges_stay() {
        let mut relayed = response(&[
            ("Connection", b"keep-alive, X-Hop, WWW-Authenticate"),
            ("Keep-Alive", b"timeout=5"),
            ("X-Hop", b"1"),
            ("Proxy-Authenticate", b"Basic"),
            ("WWW-Authenticate", b"Bearer  a=\"\xe9\" ,b"),
            ("WWW-Authenticate", b"Negotiate"),
            ("X-End", b"2"),
        ]);
        prepare_response(&mut relayed, Version::HTTP_11);
        let left: Vec<_> = relayed.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 3] =
            [("www-authenticate", b"Bearer  a=\"\xe9\" ,b"), ("www-authenticate", b"Negotiate"), ("x-end", b"2")];
        assert_eq!(left, expected);
    }

    #[test]
    fn claims_challenges_are_told_from_plain_ones() {
        for (value, expected) in [
            (&b"Bearer error=\"insufficient_claims\", claims=\"e30=\""[..], true),
            (b"Bearer CLAIMS=\"e30=\"", true),
            (b"Bearer error=\"insufficient_user_authentication\", max_age=5", true),
            (b"Bearer error=\"invalid_token\"", false),
            (b"Basic realm=\"x\"", false),
        ] {
            assert_eq!(has_claims_challenge(&response(&[("WWW-Authenticate", value)])), expected);
        }
        assert!(!has_claims_challenge(&response(&[])));
    }
}
