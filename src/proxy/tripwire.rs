//! The last look before a request leaves: token A must be nowhere in it.

use std::borrow::Cow;

use http::HeaderName;
use memchr::memmem;
use pingora::http::RequestHeader;

/// Why such a request is refused.
pub(super) const REASON: &str = "token A occurs outside authorization";

/// Where in a request token A still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carrier {
    /// In its method, path or query.
    Target,
    /// In a header.
    Header(HeaderName),
    /// As the name of a header.
    HeaderName,
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Target => f.write_str("request line"),
            Self::HeaderName => f.write_str("name of a header"),
            Self::Header(name) => write!(f, "header {name}"),
        }
    }
}

/// Looks for token A in the request target and in every header, as it is and percent-encoded. Bodies are not searched.
///
/// Hardly ever is anything as long as a token, so that the search itself is rarely prepared.
pub(super) fn carrier(request: &RequestHeader, token_a: &[u8]) -> Option<Carrier> {
    let holds = |text: &[u8]| text.len() >= token_a.len() && memmem::find(&decoded(text), token_a).is_some();
    if holds(request.raw_path()) || holds(request.method.as_str().as_bytes()) {
        return Some(Carrier::Target);
    }
    let named = |name: &HeaderName| name_holds(name.as_str(), token_a);
    let found = request.headers.iter().find(|(name, value)| holds(value.as_bytes()) || named(name))?;
    Some(if named(found.0) { Carrier::HeaderName } else { Carrier::Header(found.0.clone()) })
}

/// Names are in lower case here, and in the caller's spelling on the wire.
fn name_holds(name: &str, token_a: &[u8]) -> bool {
    name.len() >= token_a.len() && memmem::find(name.as_bytes(), &token_a.to_ascii_lowercase()).is_some()
}

/// The text with its percent-encodings decoded; what is no encoding stays as it is.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let encoded = tail.split_first_chunk::<2>().filter(|_| *first == b'%');
        let step = encoded.and_then(|(digits, after)| Some((byte(*digits)?, after)));
        let (byte, after) = step.unwrap_or((*first, tail));
        decoded.push(byte);
        rest = after;
    }
    Cow::Owned(decoded)
}

fn byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_token_a_wherever_it_hides() {
        for path in ["/a?x=eyJ.a.b", "/eyJ.a.b", "/a?x=eyJ%2Ea%2eb&y=%", "/a?%65yJ.a.b"] {
            let request = RequestHeader::build("GET", path.as_bytes(), None).unwrap();
            assert_eq!(carrier(&request, b"eyJ.a.b"), Some(Carrier::Target), "{path}");
            assert_eq!(carrier(&request, b"eyJ.other"), None);
        }
        for value in ["v1 eyJ.c.d;", "t=eyJ%2Ec%2Ed"] {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.insert_header("X-Token", value).unwrap();
            let name = HeaderName::from_static("x-token");
            assert_eq!(carrier(&request, b"eyJ.c.d"), Some(Carrier::Header(name)), "{value}");
        }
        let mut request = RequestHeader::build("eyJ.G.h", b"/", None).unwrap();
        request.insert_header("X-eyJ.E.f", "v").unwrap();
        assert_eq!(carrier(&request, b"eyJ.E.f"), Some(Carrier::HeaderName));
        assert_eq!(carrier(&request, b"eyJ.G.h"), Some(Carrier::Target));
    }
}
