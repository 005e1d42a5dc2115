//! The last look before a request leaves: token A must be nowhere in it.

use std::borrow::Cow;

use http::HeaderName;
use memchr::memmem::Finder;
use pingora::http::RequestHeader;

/// Where in a request token A still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Carrier {
    /// In its path or query.
    Target,
    /// In a header.
    Header(HeaderName),
}

impl std::fmt::Display for Carrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Target => f.write_str("request target"),
            Self::Header(name) => write!(f, "header {name}"),
        }
    }
}

/// Looks for token A in the request target and in every header, as it is and percent-encoded. Bodies are not searched.
pub(super) fn carrier(request: &RequestHeader, token_a: &[u8]) -> Option<Carrier> {
    let finder = Finder::new(token_a);
    let holds = |text: &[u8]| text.len() >= token_a.len() && finder.find(&decoded(text)).is_some();
    if holds(request.raw_path()) {
        return Some(Carrier::Target);
    }
    request.headers.iter().find(|(_, value)| holds(value.as_bytes())).map(|(name, _)| Carrier::Header(name.clone()))
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
    }
}
