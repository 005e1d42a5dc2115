//! The header section of a relayed response: what concerned only the target's connection goes, all else stays.

use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
};
use http::{StatusCode, Version};
use memchr::memmem;
use pingora::http::ResponseHeader;

/// Removes what concerned only the connection to the target (RFC 9110 section 7.6.1), announces no trailers where they
/// stay behind, and fits the answer to a caller that speaks HTTP/1.0. Everything else stays as it came, each value in its place.
pub(super) fn prepare(response: &mut ResponseHeader, caller_version: Version) {
    // One look at each header is less than looking for each that might have to go.
    if response.headers.keys().any(is_for_one_connection) {
        remove_those_for_one_connection(response, caller_version);
    }
}

fn is_for_one_connection(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.bytes().next().is_some_and(|first| b"ckptu".contains(&first)) && FOR_ONE_CONNECTION.contains(&name)
}

fn remove_those_for_one_connection(response: &mut ResponseHeader, caller_version: Version) {
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
    if caller_version != Version::HTTP_2 || response.version != Version::HTTP_2 {
        response.remove_header(&TRAILER);
    }
    if caller_version == Version::HTTP_10 {
        response.remove_header(&TRANSFER_ENCODING);
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
    response.headers.get_all(WWW_AUTHENTICATE).iter().any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        CHALLENGES.iter().any(|sign| memmem::find(&value, sign).is_some())
    })
}

/// All that is removed or changed; what `Connection` names is removed with it.
const FOR_ONE_CONNECTION: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that frame or decide a response; a target cannot have them removed.
const KEPT: [HeaderName; 4] =
    [http::header::CONTENT_LENGTH, TRANSFER_ENCODING, WWW_AUTHENTICATE, http::header::CONTENT_TYPE];

const CHALLENGES: [&[u8]; 3] = [b"claims", b"insufficient_user_authentication", b"acr_values"];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn response(headers: &[(&'static str, &[u8])]) -> ResponseHeader {
        let mut response = ResponseHeader::build(401, None).unwrap();
        for (name, value) in headers {
            response.append_header(*name, HeaderValue::from_bytes(value).unwrap()).unwrap();
        }
        response
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
            ("Trailer", b"X-Sum"),
            ("X-End", b"2"),
        ]);
        prepare(&mut relayed, Version::HTTP_11);
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
