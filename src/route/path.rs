//! The request target in its one reading: a path that two parsers could read differently is refused, not repaired.
//!
//! What is matched is what is forwarded. The only change ever made is to write percent-encodings with capital
//! letters (RFC 3986 section 6.2.2.1), so that `%c3` and `%C3` take the same route. Routes are found by what the path
//! says to a server that decodes it: `/a%3Ab` takes the route of `/a:b`, and is forwarded as `/a%3Ab`.

use super::canonical::{CanonicalPath, canonical_path};
use super::encoding::offset_in_path;

/// A request target in origin form (RFC 9112 section 3.2.1) whose path has one reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget<'a> {
    path: CanonicalPath<'a>,
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
        Ok(Self { path: canonical_path(path)?, query })
    }

    /// The path as routes are found by it.
    pub fn key(&self) -> &str {
        self.path.key.as_deref().unwrap_or(&self.path.text)
    }

    /// What else they would be found by at servers that decode more of it, or decode again: all of it must lead to the
    /// same route. Nothing for a path without encodings, and for most that have some.
    pub(super) fn further_keys(&self) -> &[String] {
        &self.path.further_keys
    }

    /// Whether a segment has an encoded `/`, which few routes take.
    pub fn has_encoded_slash(&self) -> bool {
        self.path.has_encoded_slash
    }

    /// What is left of the path, as it is forwarded, behind the first `covered` bytes of its key.
    pub fn rest(&self, covered: usize) -> &str {
        let path = self.path();
        let at = if self.path.key.is_some() { offset_in_path(path, covered) } else { covered };
        path.get(at..).unwrap_or_default()
    }

    /// The path, beginning with `/`.
    pub fn path(&self) -> &str {
        &self.path.text
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
    /// It has an encoded `/`, and the route does not take such paths; or one that is encoded twice over.
    EncodedSlash,
    /// It leads to another route where it is decoded further than we decode it.
    OtherReading,
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
            Self::OtherReading => "path reads differently where it is decoded further",
            Self::EncodedControl => "path has an encoded control character",
            Self::MalformedEncoding => "path has a malformed percent-encoding",
            Self::NeedlessEncoding => "path encodes a character that needs no encoding",
            Self::EncodedNotUtf8 => "path encodes bytes that are not UTF-8",
            Self::EncodedTooOften => "path is encoded more than three times over, or too long to be decoded",
        }
    }
}

fn check_query(query: &str) -> Result<(), PathError> {
    query.bytes().try_for_each(|byte| match byte {
        b'#' => Err(PathError::Fragment),
        0x21..=0x7e => Ok(()),
        0x80.. => Err(PathError::NotAscii),
        _ => Err(PathError::ForbiddenCharacter),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::canonical::decode_once;
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
            ("/graph%252fme", E::EncodedSlash),
            ("/graph/..%2fadmin", E::DotSegment),
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

    proptest! {
        /// However often a server decodes an accepted path, its segments stay where they are.
        #[test]
        fn decoding_an_accepted_path_never_moves_a_segment(raw in "(/[a.%2efF5cC3bB;\\\\0-9]{0,12}){1,4}") {
            if let Ok(target) = RequestTarget::parse(raw.as_bytes()) {
                let segments = target.path().replace("%2F", "/").split('/').count();
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
                let again = canonical_path(target.path());
                prop_assert_eq!(again.map(|path| path.text.into_owned()), Ok(target.path().to_owned()));
            }
        }
    }
}
