//! Percent-encodings (RFC 3986 section 2.1): the canonical writing of a path, and the key that routes are found by.

use std::borrow::Cow;
use std::fmt::Write;

/// The path with every encoded character decoded that a server shows to its router: all that is visible, and the
/// blank, but for `%`, `/`, `?` and `#`. A canonical path has no other way to spell a segment.
pub(super) fn match_key(canonical: &str) -> Cow<'_, str> {
    let Some(first) = canonical.find('%') else { return Cow::Borrowed(canonical) };
    let (plain, mut rest) = canonical.split_at(first);
    let mut key = plain.to_owned();
    while let Some(character) = rest.chars().next() {
        let decoded = shown_character(rest);
        key.push(decoded.unwrap_or(character));
        rest = rest.get(if decoded.is_some() { 3 } else { character.len_utf8() }..).unwrap_or_default();
    }
    if key == canonical { Cow::Borrowed(canonical) } else { Cow::Owned(key) }
}

/// The form in which routes are found by a path that has been decoded already: what could not stand in it is encoded.
pub(super) fn decoded_key(decoded: &[u8]) -> String {
    let mut key = String::with_capacity(decoded.len());
    for byte in decoded {
        if matches!(byte, b' '..=b'~') && !b"%?#".contains(byte) {
            key.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(key, "%{byte:02X}");
        }
    }
    key
}

/// A key as a URL has it: a path that leads to this key, without anything that a quoted header parameter or a list
/// of them could not hold.
pub(super) fn url_path(key: &str) -> String {
    let mut path = String::with_capacity(key.len());
    for byte in key.bytes() {
        if is_unreserved(byte) || b"/%:@!$&'()*+=".contains(&byte) {
            path.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// The byte of a canonical path behind `covered` bytes of its key.
pub(super) fn offset_in_path(path: &str, covered: usize) -> usize {
    let mut at = 0;
    for _ in 0..covered {
        at += if path.get(at..).and_then(shown_character).is_some() { 3 } else { 1 };
    }
    at
}

/// The visible character that the text begins with, if it begins with an encoded one.
fn shown_character(text: &str) -> Option<char> {
    let digits = text.strip_prefix('%')?.as_bytes().first_chunk::<2>()?;
    hex_byte(*digits).filter(|byte| matches!(byte, b' '..=b'~') && !b"%/?#".contains(byte)).map(char::from)
}

pub(super) fn with_capital_encodings(path: &str) -> Cow<'_, str> {
    let mut written = String::with_capacity(path.len());
    let mut digits_left = 0;
    for character in path.chars() {
        written.push(if digits_left > 0 { character.to_ascii_uppercase() } else { character });
        digits_left = if character == '%' { 2 } else { i32::max(0, digits_left - 1) };
    }
    if written == path { Cow::Borrowed(path) } else { Cow::Owned(written) }
}

pub(super) fn hex_byte(digits: [u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

pub(super) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    #[test]
    fn routes_are_found_by_what_the_path_says_and_the_rest_is_forwarded_as_it_came() {
        for (raw, key, covered, rest) in [
            ("/v1/items%3Apurge/x", "/v1/items:purge/x", 15, "/x"),
            ("/v1/items%3apurge/x%2Cy", "/v1/items:purge/x,y", 15, "/x%2Cy"),
            ("/a%20b/c", "/a b/c", 4, "/c"),
            ("/100%25/c", "/100%25/c", 7, "/c"),
            ("/caf%C3%A9%40/c", "/caf%C3%A9@/c", 11, "/c"),
            ("/a%23%3F/c", "/a%23%3F/c", 8, "/c"),
            ("/plain/c", "/plain/c", 6, "/c"),
        ] {
            let target = super::super::RequestTarget::parse(raw.as_bytes()).unwrap();
            assert_eq!((target.key(), target.rest(covered)), (key, rest), "{raw}");
            assert_eq!(target.rest(0), target.path());
        }
    }
}
