//! What of a request, beyond its path, could be read in two ways: such requests are refused before anything is decided.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use pingora::http::RequestHeader;

use super::present::Present;
use super::spelling;
use crate::rejection::Rejection;
use crate::route::HostName;

/// The host that the request names; `None` for an HTTP/1.0 request without one.
///
/// # Errors
/// More than one host, none where there must be one, or something that is no host.
pub(super) fn host(request: &RequestHeader) -> Result<Option<HostName<'_>>, Rejection> {
    let Some(host) = authority(request)? else { return Ok(None) };
    HostName::parse(host).map(Some).map_err(|_| Rejection::Ambiguous("host header is not a host"))
}

/// The port that follows the host, if one does.
pub(super) fn port(request: &RequestHeader) -> Option<u16> {
    let host = std::str::from_utf8(authority(request).ok()??).ok()?;
    host.rsplit_once(':')?.1.parse().ok()
}

/// The one place that names the host, with its port.
fn authority(request: &RequestHeader) -> Result<Option<&[u8]>, Rejection> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let header = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(Rejection::Ambiguous("more than one host header"));
    }
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, header) {
        (Some(authority), Some(header)) if authority != header => {
            Err(Rejection::Ambiguous("host header differs from :authority"))
        }
        (Some(host), _) | (None, Some(host)) => Ok(Some(host)),
        (None, None) if request.version == Version::HTTP_10 => Ok(None),
        (None, None) => Err(Rejection::Ambiguous("no host header")),
    }
}

/// The request target as the caller sent it. HTTP/2 has it in parts, so Pingora's reading of it is the original.
pub(super) fn target(request: &RequestHeader) -> &[u8] {
    if request.version == Version::HTTP_2 {
        request.uri.path_and_query().map_or(&b""[..], |target| target.as_str().as_bytes())
    } else {
        request.raw_path()
    }
}

/// Message framing (RFC 9112 section 6) and the options of the connection (RFC 9110 section 7.6.1).
///
/// # Errors
/// What is ambiguous about them.
pub(super) fn check_framing(headers: &HeaderMap, present: Present) -> Result<(), Rejection> {
    const FRAMING: Present = Present::CONTENT_LENGTH.and(Present::TRANSFER_ENCODING).and(Present::CONNECTION);
    if !present.has(FRAMING) {
        return Ok(());
    }
    if headers.get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Rejection::Ambiguous("more than one content-length"));
    }
    let lists_lengths = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes().contains(&b','));
    if lists_lengths {
        return Err(Rejection::Ambiguous("more than one content-length"));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
        if !chunked || codings.next().is_some() {
            return Err(Rejection::Ambiguous("transfer-encoding is not exactly chunked"));
        }
    }
    check_connection(headers)
}

/// What the `Connection` headers list.
fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(CONNECTION).iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// A caller must not have headers removed on the way that decide something.
fn check_connection(headers: &HeaderMap) -> Result<(), Rejection> {
    let malformed = |option: &[u8]| option.iter().any(|byte| !is_token_byte(*byte));
    if connection_options(headers).any(malformed) {
        return Err(Rejection::Ambiguous("connection header is no list of names"));
    }
    let protected = connection_options(headers).any(|option| {
        let forwarding =
            option.len() >= 11 && option.iter().zip(b"x-forwarded").all(|(a, b)| a.eq_ignore_ascii_case(b));
        forwarding || PROTECTED.iter().any(|name| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
    });
    if protected {
        Err(Rejection::Ambiguous("connection header names a header that decides something"))
    } else {
        Ok(())
    }
}

/// RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Methods are told apart by case (RFC 9110 section 9.1), but not by every server: `delete` is refused, whoever reads
/// it as `DELETE`.
///
/// # Errors
/// A method that is not written in capitals, or absurdly long.
pub(super) fn check_method(method: &Method) -> Result<(), Rejection> {
    let name = method.as_str();
    let plain = name.len() <= MAX_METHOD && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if plain { Ok(()) } else { Err(Rejection::Ambiguous("method is not written in capitals")) }
}

/// A header that names another method than the request line, for a path where the method decides.
///
/// # Errors
/// Where there is one.
pub(super) fn check_method_override(headers: &HeaderMap) -> Result<(), Rejection> {
    // Most names need no second look.
    let overrides = |name: &HeaderName| {
        let name = name.as_str();
        spelling::first_letter(name) == Some(b'x') && METHOD_OVERRIDES.contains(&&*spelling::plain(name))
    };
    if headers.keys().any(overrides) {
        return Err(Rejection::Ambiguous("a header names another method than the request line"));
    }
    Ok(())
}

/// Whether the caller waits to be told that its body is wanted (RFC 9110 section 10.1.1).
pub(super) fn awaits_continue(request: &RequestHeader) -> bool {
    let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    request.version == Version::HTTP_11 && request.headers.get(EXPECT).is_some_and(expects)
}

/// Whether the request asks to go on as a WebSocket (RFC 6455 section 4.1): the one upgrade that is passed on, and only
/// where it is asked of this connection, by a `GET` without a body.
pub(super) fn asks_for_websocket(request: &RequestHeader) -> bool {
    let headers = &request.headers;
    let asked = || connection_options(headers).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
    let has_body =
        || headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    let plain = request.version == Version::HTTP_11 && request.method == Method::GET;
    plain && names_websocket(headers) && asked() && !has_body()
}

/// Whether `Upgrade` names the WebSocket protocol and nothing else.
pub(super) fn names_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let named = protocols.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    named && protocols.next().is_none()
}

/// The longest method, in bytes.
const MAX_METHOD: usize = 32;

/// All begin with an `x`.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

const PROTECTED: [HeaderName; 11] = [
    AUTHORIZATION,
    PROXY_AUTHORIZATION,
    HOST,
    COOKIE,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    http::header::CONTENT_TYPE,
    http::header::FORWARDED,
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        request.set_version(Version::HTTP_11);
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        request
    }

    fn framing(headers: &[(&'static str, &str)]) -> Result<(), Rejection> {
        let headers = request(headers).headers.clone();
        check_framing(&headers, Present::of(&headers))
    }

    fn host_of(headers: &[(&'static str, &str)]) -> Result<String, Rejection> {
        host(&request(headers)).map(|host| host.map(|host| host.as_str().to_owned()).unwrap_or_default())
    }

    #[test]
    fn there_is_one_host() {
        assert_eq!(host_of(&[("host", "A.example:80")]).as_deref(), Ok("a.example"));
        for headers in [&[][..], &[("host", "a"), ("host", "a")], &[("host", "a b")], &[("host", "")]] {
            assert!(host_of(headers).is_err(), "{headers:?}");
        }
        let mut old = request(&[]);
        old.set_version(Version::HTTP_10);
        assert_eq!(host(&old), Ok(None));
    }

    #[test]
    fn framing_has_one_reading() {
        for headers in
            [&[("content-length", "5")][..], &[("transfer-encoding", "Chunked")], &[("connection", "close, x-own")]]
        {
            assert_eq!(framing(headers), Ok(()), "{headers:?}");
        }
        for headers in [
            &[("content-length", "5"), ("content-length", "5")][..],
            &[("content-length", "5, 5")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("transfer-encoding", "xchunked")],
            &[("connection", "close, Authorization")],
            &[("connection", "X-Forwarded-For")],
            &[("connection", "close; x-own")],
            &[("connection", "\"close\"")],
            &[("connection", "keep-alive"), ("connection", "x-request-id")],
        ] {
            assert!(framing(headers).is_err(), "{headers:?}");
        }
    }

    #[test]
    fn an_upgrade_is_asked_of_the_connection() {
        let asks =
            |upgrade, connection| asks_for_websocket(&request(&[("upgrade", upgrade), ("connection", connection)]));
        assert!(asks("WebSocket", "keep-alive, Upgrade"));
        assert!(!asks("websocket", "keep-alive") && !asks("h2c", "Upgrade, HTTP2-Settings"));
        let handshake = [("upgrade", "websocket"), ("connection", "upgrade")];
        for body in [("content-length", "1"), ("transfer-encoding", "chunked"), ("upgrade", "h2c")] {
            assert!(!asks_for_websocket(&request(&[handshake[0], handshake[1], body])), "{body:?}");
        }
        assert!(asks_for_websocket(&request(&[handshake[0], handshake[1], ("content-length", "0")])));
        let mut post = request(&handshake);
        post.set_method(Method::POST);
        assert!(!asks_for_websocket(&post));
    }

    #[test]
    fn a_second_method_is_noticed() {
        for name in ["X-HTTP-Method-Override", "x_http-method_override"] {
            assert!(check_method_override(&request(&[(name, "DELETE")]).headers).is_err(), "{name}");
        }
        assert!(check_method_override(&request(&[]).headers).is_ok());
    }
}
