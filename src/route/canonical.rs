//! The one reading of a path: what servers could read differently is refused here, whatever they decode and how often.

use std::borrow::Cow;

use super::encoding::{decoded_key, hex_byte, is_unreserved, match_key, with_capital_encodings};
use super::path::PathError;

/// A path that has one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CanonicalPath<'a> {
    /// The path as it is forwarded.
    pub(super) text: Cow<'a, str>,
    /// What routes are found by, where it is not the text: every visible character is decoded once, but for `/`.
    pub(super) key: Option<String>,
    /// What else they would be found by at servers that decode `%2F`, or decode again, or look for a query only then.
    /// All of it must lead to the same route.
    pub(super) further_keys: Vec<String>,
    /// Whether it has an encoded `/`.
    pub(super) has_encoded_slash: bool,
}

/// Checks a path. One pass where nothing in it is encoded.
pub(super) fn canonical_path(path: &str) -> Result<CanonicalPath<'_>, PathError> {
    let mut encoded = false;
    let mut segment_start = 1;
    for (at, byte) in path.bytes().enumerate().skip(1) {
        match byte {
            b'/' => {
                check_plain_segment(path.get(segment_start..at).unwrap_or_default(), false)?;
                segment_start = at + 1;
            }
            b'%' => encoded = true,
            _ => check_plain_byte(byte)?,
        }
    }
    check_plain_segment(path.get(segment_start..).unwrap_or_default(), true)?;
    if encoded { canonical_encodings(path) } else { Ok(CanonicalPath::plain(path)) }
}

impl<'a> CanonicalPath<'a> {
    fn plain(path: &'a str) -> Self {
        Self { text: Cow::Borrowed(path), key: None, further_keys: Vec::new(), has_encoded_slash: false }
    }
}

fn canonical_encodings(path: &str) -> Result<CanonicalPath<'_>, PathError> {
    if path.len() > MAX_ENCODED_PATH {
        return Err(PathError::EncodedTooOften);
    }
    let with_slashes = slashes_decoded(path);
    let decoded = fully_decoded(&with_slashes)?;
    let text = with_capital_encodings(path);
    let key = match_key(&text);
    let mut further_keys = Vec::new();
    for reading in [&*decoded, before_query(&decoded)] {
        let further = decoded_key(reading);
        if further != key && !further_keys.contains(&further) {
            further_keys.push(further);
        }
    }
    let key = if let Cow::Owned(key) = key { Some(key) } else { None };
    let has_encoded_slash = with_slashes.len() < path.len();
    Ok(CanonicalPath { text, key, further_keys, has_encoded_slash })
}

fn check_plain_byte(byte: u8) -> Result<(), PathError> {
    match byte {
        b'\\' => Err(PathError::Backslash),
        b';' => Err(PathError::PathParameter),
        b'#' => Err(PathError::Fragment),
        b'"' | b'<' | b'>' | b'`' | b'{' | b'}' => Err(PathError::ForbiddenCharacter),
        0x21..=0x7e => Ok(()),
        0x80.. => Err(PathError::NotAscii),
        _ => Err(PathError::ForbiddenCharacter),
    }
}

/// The last segment may be empty (`/graph/`), no other.
fn check_plain_segment(segment: &str, last: bool) -> Result<(), PathError> {
    match segment {
        "" if !last => Err(PathError::EmptySegment),
        "." | ".." => Err(PathError::DotSegment),
        _ => Ok(()),
    }
}

/// The path with `%2F` written as `/`, as some servers read it; what is found between them are segments to us.
fn slashes_decoded(path: &str) -> Cow<'_, str> {
    if !path.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"%2F")) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(path.replace("%2F", "/").replace("%2f", "/"))
}

/// The path decoded until nothing is left to decode, segment by segment.
fn fully_decoded(path: &str) -> Result<Vec<u8>, PathError> {
    let mut whole = Vec::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        check_plain_segment(segment, segments.peek().is_none())?;
        whole.push(b'/');
        whole.extend(fully_decoded_segment(segment)?);
    }
    Ok(whole)
}

/// Decodes a segment until nothing changes any more, so that a server that decodes once too often finds nothing new.
fn fully_decoded_segment(segment: &str) -> Result<Vec<u8>, PathError> {
    let mut current = segment.as_bytes().to_vec();
    for round in 0..MAX_DECODINGS {
        let decoded = decode_once(&current, round == 0)?;
        check_decoded(&decoded)?;
        if decoded == current {
            return Ok(decoded);
        }
        current = decoded;
    }
    Err(PathError::EncodedTooOften)
}

fn check_decoded(decoded: &[u8]) -> Result<(), PathError> {
    std::str::from_utf8(decoded).map_err(|_| PathError::EncodedNotUtf8)?;
    if matches!(before_query(decoded), b"." | b"..") {
        return Err(PathError::DotSegment);
    }
    decoded.iter().try_for_each(|byte| match byte {
        b'/' => Err(PathError::EncodedSlash),
        b'\\' => Err(PathError::Backslash),
        b';' => Err(PathError::PathParameter),
        0..=0x1f | 0x7f => Err(PathError::EncodedControl),
        _ => Ok(()),
    })
}

/// What is left for a server that looks for a query or a fragment once it has decoded.
fn before_query(decoded: &[u8]) -> &[u8] {
    decoded.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

/// One round of percent-decoding. Only the outermost round is strict: inner ones look at what is data to us.
pub(super) fn decode_once(bytes: &[u8], strict: bool) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            decoded.push(first);
            continue;
        }
        match tail.split_first_chunk::<2>().and_then(|(digits, after)| Some((hex_byte(*digits)?, after))) {
            Some((byte, _)) if strict && is_unreserved(byte) => return Err(needless(byte, bytes)),
            Some((byte, after)) => {
                decoded.push(byte);
                rest = after;
            }
            None if strict => return Err(PathError::MalformedEncoding),
            None => decoded.push(first),
        }
    }
    Ok(decoded)
}

/// An encoded dot is named for what it does where it makes a dot segment.
fn needless(byte: u8, segment: &[u8]) -> PathError {
    let dots_only =
        byte == b'.' && decode_once(segment, false).is_ok_and(|decoded| decoded == b"." || decoded == b"..");
    if dots_only { PathError::DotSegment } else { PathError::NeedlessEncoding }
}

/// How often a segment is decoded in search of something new: a fourth layer is no accident.
const MAX_DECODINGS: usize = 4;

/// The longest path with encodings in it that is looked at, in bytes.
const MAX_ENCODED_PATH: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_read_further_is_told() {
        for (path, key, further) in [
            ("/a%20b/caf%C3%A9/100%25", None, &[][..]),
            ("/a%2fb", None, &["/a/b"]),
            ("/a/b%2Fc%3Ad", Some("/a/b%2Fc:d"), &["/a/b/c:d"]),
            ("/a%2F", None, &["/a/"]),
            ("/items%253Apurge", None, &["/items:purge"]),
            ("/a%252561", None, &["/aa"]),
            ("/a%3Fb/c", None, &["/a"]),
            ("/a%2523b", None, &["/a%23b", "/a"]),
        ] {
            let canonical = canonical_path(path).unwrap();
            let key =
                key.map_or_else(|| canonical.key.clone().unwrap_or_else(|| canonical.text.to_string()), str::to_owned);
            assert_eq!(canonical.key.clone().unwrap_or_else(|| canonical.text.to_string()), key, "{path}");
            assert_eq!(canonical.further_keys, further, "{path}");
        }
    }

    #[test]
    fn an_encoded_slash_makes_no_segment_that_would_be_refused() {
        use PathError as E;
        for (path, cause) in [
            ("/%2Fa", E::EmptySegment),
            ("/a%2F%2Fb", E::EmptySegment),
            ("/a/%2F", E::EmptySegment),
            ("/a%2F/b", E::EmptySegment),
            ("/a%2F..%2Fb", E::DotSegment),
            ("/a%2F%2E%2E", E::DotSegment),
            ("/a%2F%252e", E::DotSegment),
            ("/..%2Fa", E::DotSegment),
            ("/a%2F..%3Fb", E::DotSegment),
            ("/a/..%23", E::DotSegment),
            ("/a%252Fb", E::EncodedSlash),
            ("/a%25252Fb", E::EncodedSlash),
            ("/a%%2Fb", E::MalformedEncoding),
            ("/a%2%2Fb", E::MalformedEncoding),
            ("/a%2F%5C", E::Backslash),
            ("/a%2Fb%3Bc", E::PathParameter),
            ("/a%2Fb%00", E::EncodedControl),
        ] {
            assert_eq!(canonical_path(path), Err(cause), "{path}");
        }
    }

    #[test]
    fn a_path_of_nested_encodings_is_refused_without_being_unwrapped() {
        let refused = |path: &str| canonical_path(path) == Err(PathError::EncodedTooOften);
        assert!(refused(&format!("/%{}", "25".repeat(8_000))));
        assert!(refused(&format!("/{}%20", "a".repeat(MAX_ENCODED_PATH))));
        assert!(!refused(&format!("/{}", "a".repeat(MAX_ENCODED_PATH))));
    }
}
