//! The request target in its one reading: a path that two parsers could read differently is refused, not repaired.
//!
//! What is matched is what is forwarded. The only change ever made is to write percent-encodings with capital
//! letters (RFC 3986 section 6.2.2.1), so that `%c3` and `%C3` take the same route. Routes are found by what the path
//! says to a server that decodes it: `/a%3Ab` takes the route of `/a:b`, and is forwarded as `/a%3Ab`.

use std::borrow::Cow;

use super::encoding::{hex_byte, is_unreserved, match_key, offset_in_path, with_capital_encodings};

/// A request target in origin form (RFC 9112 section 3.2.1) whose path has one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget<'a> {
    path: Cow<'a, str>,
    /// The path with every visible character decoded; what routes are found by.
    key: Option<String>,
    query: Option<&'a str>,
}

impl<'a> RequestTarget<'a> {
    /// Reads the request target as it came on the wire.
    ///
    /// # Errors
    /// Whatever makes the target ambiguous, as a [`PathError`].
    pub fn parse(raw: &'a [u8]) -> Result<Self, PathError> {
        let text = std::str::from_utf8(raw).map_err(|_| PathError::NotAscii)?;
        if !text.starts_with('/') {
            return Err(PathError::NotOriginForm);
        }
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        query.map_or(Ok(()), check_query)?;
        let path = canonical_path(path)?;
        let key = match match_key(&path) {
            Cow::Owned(key) => Some(key),
            Cow::Borrowed(_) => None,
        };
        Ok(Self { path, key, query })
    }

    /// The path as routes are found by it.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.path)
    }

    /// What is left of the path, as it is forwarded, behind the first `covered` bytes of its key.
    pub fn rest(&self, covered: usize) -> &str {
        let at = if self.key.is_some() { offset_in_path(&self.path, covered) } else { covered };
        self.path.get(at..).unwrap_or_default()
    }

    /// The path, beginning with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What follows the first `?`, as it came.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }
}

/// Why a request target was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// It does not begin with `/`: absolute form, authority form, `*`, or something else.
    NotOriginForm,
    /// It has bytes outside ASCII; they must be percent-encoded.
    NotAscii,
    /// It has a control character, a blank, or a character that no URI may have.
    ForbiddenCharacter,
    /// It has a `#`: a fragment does not belong in a request.
    Fragment,
    /// It has a `\`, plain or encoded, which some servers read as `/`.
    Backslash,
    /// It has a `;`, plain or encoded: servers that know path parameters cut the segment there.
    PathParameter,
    /// It has two slashes in a row.
    EmptySegment,
    /// It has a `.` or `..` segment, plain or encoded.
    DotSegment,
    /// It has an encoded `/`.
    EncodedSlash,
    /// It has an encoded control character.
    EncodedControl,
    /// It has a `%` that is not followed by two hexadecimal digits.
    MalformedEncoding,
    /// It encodes a letter, a digit, or one of `-._~`, which need no encoding.
    NeedlessEncoding,
    /// What it encodes is not UTF-8.
    EncodedNotUtf8,
    /// It encodes an encoding of an encoding, and so on, or is too long to be decoded at all.
    EncodedTooOften,
}

impl PathError {
    /// The cause as a log line says it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotOriginForm => "request target does not begin with a slash",
            Self::NotAscii => "request target has bytes outside ASCII",
            Self::ForbiddenCharacter => "request target has a character that no URI may have",
            Self::Fragment => "request target has a fragment",
            Self::Backslash => "path has a backslash",
            Self::PathParameter => "path has a path parameter",
            Self::EmptySegment => "path has an empty segment",
            Self::DotSegment => "path has a dot segment",
            Self::EncodedSlash => "path has an encoded slash",
            Self::EncodedControl => "path has an encoded control character",
            Self::MalformedEncoding => "path has a malformed percent-encoding",
            Self::NeedlessEncoding => "path encodes a character that needs no encoding",
            Self::EncodedNotUtf8 => "path encodes bytes that are not UTF-8",
            Self::EncodedTooOften => "path is encoded more than three times over, or too long to be decoded",
        }
    }
}

/// Checks the path and returns it in its canonical writing.
pub(super) fn canonical_path(path: &str) -> Result<Cow<'_, str>, PathError> {
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
    if !encoded {
        return Ok(Cow::Borrowed(path));
    }
    if path.len() > MAX_ENCODED_PATH {
        return Err(PathError::EncodedTooOften);
    }
    path.split('/').try_for_each(check_encoded_segment)?;
    Ok(with_capital_encodings(path))
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

/// Decodes a segment until nothing is left to decode, so that a server that decodes once too often finds nothing new.
fn check_encoded_segment(segment: &str) -> Result<(), PathError> {
    let mut current = segment.as_bytes().to_vec();
    for round in 0..MAX_DECODINGS {
        let decoded = decode_once(&current, round == 0)?;
        check_decoded(&decoded)?;
        if decoded == current {
            return Ok(());
        }
        current = decoded;
    }
    Err(PathError::EncodedTooOften)
}

fn check_decoded(decoded: &[u8]) -> Result<(), PathError> {
    std::str::from_utf8(decoded).map_err(|_| PathError::EncodedNotUtf8)?;
    if decoded == b"." || decoded == b".." {
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

/// One round of percent-decoding. Only the outermost round is strict: inner ones look at what is data to us.
fn decode_once(bytes: &[u8], strict: bool) -> Result<Vec<u8>, PathError> {
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

fn check_query(query: &str) -> Result<(), PathError> {
    query.bytes().try_for_each(|byte| match byte {
        b'#' => Err(PathError::Fragment),
        0x21..=0x7e => Ok(()),
        0x80.. => Err(PathError::NotAscii),
        _ => Err(PathError::ForbiddenCharacter),
    })
}

/// How often a segment is decoded in search of something new: a fourth layer is no accident.
const MAX_DECODINGS: usize = 4;

/// The longest path with encodings in it that is looked at, in bytes.
const MAX_ENCODED_PATH: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path_of(raw: &str) -> Result<String, PathError> {
        RequestTarget::parse(raw.as_bytes()).map(|target| target.path().to_owned())
    }

    #[test]
    fn plain_targets_pass_as_they_are() {
        for path in [
            "/",
            "/graph",
            "/graph/",
            "/graph/me/messages",
            "/a/.well-known/x",
            "/a/...",
            "/a/..b",
            "/drive/root:/Documents/My%20File%23.docx:/content",
            "/sites/contoso.com,1,2",
            "/users('a')/$value",
            "/caf%C3%A9",
            "/100%25",
            "/a|b[1]^",
        ] {
            assert_eq!(path_of(path).as_deref(), Ok(path));
        }
    }

    #[test]
    fn the_query_is_kept_as_it_came() {
        let target = RequestTarget::parse(b"/a?$filter=x%20eq%20'%2f..'&y=../;?").unwrap();
        assert_eq!((target.path(), target.query()), ("/a", Some("$filter=x%20eq%20'%2f..'&y=../;?")));
        assert_eq!(RequestTarget::parse(b"/a?").unwrap().query(), Some(""));
    }

    #[test]
    fn encodings_are_written_with_capitals() {
        assert_eq!(path_of("/caf%c3%a9/x%20a").as_deref(), Ok("/caf%C3%A9/x%20a"));
    }

    #[test]
    fn ambiguous_targets_are_refused_with_their_cause() {
        use PathError as E;
        for (raw, cause) in [
            ("", E::NotOriginForm),
            ("*", E::NotOriginForm),
            ("graph", E::NotOriginForm),
            ("http://host/graph", E::NotOriginForm),
            ("foo:bar", E::NotOriginForm),
            ("host:443", E::NotOriginForm),
            ("//host/graph", E::EmptySegment),
            ("/graph//me", E::EmptySegment),
            ("/graph/me//", E::EmptySegment),
            ("/graph/../admin", E::DotSegment),
            ("/graph/..", E::DotSegment),
            ("/./graph", E::DotSegment),
            ("/graph/%2e%2e/admin", E::DotSegment),
            ("/graph/.%2E/admin", E::DotSegment),
            ("/graph/%2e", E::DotSegment),
            ("/graph/%252525252e", E::EncodedTooOften),
            ("/graph/%252e%252e/admin", E::DotSegment),
            ("/graph/%25252e%25252e/admin", E::DotSegment),
            ("/graph/%25%32%65%25%32%65", E::NeedlessEncoding),
            ("/graph%2fme", E::EncodedSlash),
            ("/graph%2Fme", E::EncodedSlash),
            ("/graph%252fme", E::EncodedSlash),
            ("/graph/..%2fadmin", E::EncodedSlash),
            ("/graph\\me", E::Backslash),
            ("/graph/..%5cadmin", E::Backslash),
            ("/graph;x/me", E::PathParameter),
            ("/graph/..;/admin", E::PathParameter),
            ("/graph/..%3b/admin", E::PathParameter),
            ("/graph%00", E::EncodedControl),
            ("/graph%0d%0aX:1", E::EncodedControl),
            ("/graph%7f", E::EncodedControl),
            ("/graph%", E::MalformedEncoding),
            ("/graph%2", E::MalformedEncoding),
            ("/graph%zz", E::MalformedEncoding),
            ("/graph%u002e", E::MalformedEncoding),
            ("/%67raph", E::NeedlessEncoding),
            ("/graph/%7Euser", E::NeedlessEncoding),
            ("/graph/%c0%ae%c0%ae/admin", E::EncodedNotUtf8),
            ("/graph/%ff", E::EncodedNotUtf8),
            ("/graph#top", E::Fragment),
            ("/graph?a#top", E::Fragment),
            ("/gra ph", E::ForbiddenCharacter),
            ("/gra\tph", E::ForbiddenCharacter),
            ("/gra\u{7f}ph", E::ForbiddenCharacter),
            ("/{id}", E::ForbiddenCharacter),
            ("/café", E::NotAscii),
            ("/a?é", E::NotAscii),
        ] {
            assert_eq!(path_of(raw), Err(cause), "{raw}");
        }
        assert_eq!(RequestTarget::parse(b"/a\xff"), Err(PathError::NotAscii));
    }

    #[test]
    fn a_path_of_nested_encodings_is_refused_without_being_unwrapped() {
        let raw = format!("/%{}", "25".repeat(8_000));
        assert_eq!(path_of(&raw), Err(PathError::EncodedTooOften));
        assert_eq!(path_of(&format!("/{}%20", "a".repeat(MAX_ENCODED_PATH))), Err(PathError::EncodedTooOften));
        assert!(path_of(&format!("/{}", "a".repeat(MAX_ENCODED_PATH))).is_ok());
    }

    proptest! {
        /// However often a server decodes an accepted path, its segments stay where they are.
        #[test]
        fn decoding_an_accepted_path_never_moves_a_segment(raw in "(/[a.%2efF5cC3bB;\\\\0-9]{0,12}){1,4}") {
            if let Ok(target) = RequestTarget::parse(raw.as_bytes()) {
                let segments = target.path().split('/').count();
                let mut decoded = target.path().as_bytes().to_vec();
                for _ in 0..8 {
                    decoded = decode_once(&decoded, false).unwrap();
                    let text = std::str::from_utf8(&decoded).unwrap();
                    prop_assert_eq!(text.split(['/', '\\']).count(), segments);
                    prop_assert!(!text.split('/').any(|segment| matches!(segment, "." | "..")));
                }
            }
        }

        /// No bytes make it panic, and what is accepted is accepted again unchanged.
        #[test]
        fn parsing_is_total_and_idempotent(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(target) = RequestTarget::parse(&raw) {
                let again = canonical_path(target.path()).map(Cow::into_owned);
                prop_assert_eq!(again.as_deref(), Ok(target.path()));
            }
        }
    }
}
