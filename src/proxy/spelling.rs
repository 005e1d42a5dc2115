//! Header names as servers read them that make variables of headers: CGI and its descendants know letters and digits, and
//! take everything else for one and the same character.

use std::borrow::Cow;

/// The name with `-` for everything that such servers take for the same, and without what they may cut off at its ends.
/// Nothing is allocated for a name of letters, digits and single `-` alone.
pub(super) fn plain(name: &str) -> Cow<'_, str> {
    let bytes = name.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let has_ends = |ends: [Option<&u8>; 2]| ends.into_iter().flatten().all(u8::is_ascii_alphanumeric);
    if bytes.iter().all(is_plain) && has_ends([bytes.first(), bytes.last()]) {
        return Cow::Borrowed(name);
    }
    let trimmed = name.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if trimmed.bytes().all(|byte| is_plain(&byte)) {
        return Cow::Borrowed(trimmed);
    }
    Cow::Owned(trimmed.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

/// What [`plain`] begins with.
pub(super) fn first_letter(name: &str) -> Option<u8> {
    name.bytes().find(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_by_their_letters_and_digits() {
        for (name, read) in [
            ("x-forwarded-for", "x-forwarded-for"),
            ("x_forwarded-for", "x-forwarded-for"),
            ("x.forwarded.for", "x-forwarded-for"),
            ("authorization_", "authorization"),
            ("_authorization", "authorization"),
            ("authorization-", "authorization"),
            ("x!a#b", "x-a-b"),
        ] {
            assert_eq!(&*plain(name), read, "{name}");
            assert_eq!(first_letter(name), read.bytes().next(), "{name}");
        }
    }
}
