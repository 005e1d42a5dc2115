//! What an explanation is given: an address as people write it, and a token from a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use http::HeaderValue;
use zeroize::Zeroizing;

use super::super::Failure;
use crate::secret::Secret;

/// A host, and a request target as it was written: nothing of it is repaired.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// The value of `Host`.
    pub(super) host: Option<HeaderValue>,
    /// Path and query.
    pub(super) target: String,
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('/') {
            return Ok(Self { host: None, target: text.to_owned() });
        }
        let (scheme, rest) = text.split_once("://").ok_or(ACCEPTED)?;
        if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(ACCEPTED);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains('@') {
            return Err("the URL has no host, or a user name before it");
        }
        let host = HeaderValue::from_str(authority).map_err(|_| "the URL has a host with forbidden characters")?;
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { host: Some(host), target })
    }
}

/// A token, as the `Authorization` header that a caller would send.
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    token: Secret,
}

impl Authorization {
    /// Reads it from a file, or from standard input for `-`.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let refused =
            |fault: String| Failure::of_usage(Failure::new(format!("token file {}: {fault}", path.display())));
        let bytes = read_at_most(path).map_err(|error| refused(format!("cannot be read: {error}")))?;
        Self::parse(&bytes).map_err(|fault| refused(fault.to_owned()))
    }

    /// A line break at the end is not part of the token, and a `Bearer` before it is not needed.
    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() > LONGEST {
            return Err("is longer than 1 MiB");
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "is not text in UTF-8")?;
        let line = text.trim_end_matches(['\n', '\r']);
        if line.trim().is_empty() {
            return Err("is empty");
        }
        let bare = match line.split_at_checked(SCHEME.len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_start(),
            _ => line,
        };
        let value = Zeroizing::new(format!("{SCHEME}{bare}"));
        let mut header = HeaderValue::from_str(&value).map_err(|_| "has characters that no header can carry")?;
        header.set_sensitive(true);
        Ok(Self { header, token: Secret::new(bare.to_owned()) })
    }

    /// The text without the token and its parts: a caller may have put it into the address as well, and an identity
    /// provider may quote it.
    pub(super) fn hide_in(&self, text: &str) -> String {
        let token = self.token.expose();
        let parts = [token].into_iter().chain(token.split('.')).filter(|part| part.len() >= SHORTEST_HIDDEN);
        parts.fold(text.to_owned(), |text, part| text.replace(part, "<token A>"))
    }
}

fn read_at_most(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    if path == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

const ACCEPTED: &str = "accepted: an http or https URL, or a path that begins with /";

const SCHEME: &str = "Bearer ";

/// The longest file that is read, in bytes.
const LONGEST: usize = 1024 * 1024;

/// Parts of a token that are shorter are no secret, and may occur anywhere.
const SHORTEST_HIDDEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<(String, String)> {
        let address = Address::from_str(text).ok()?;
        Some((address.host.map_or(String::new(), |host| host.to_str().unwrap().to_owned()), address.target))
    }

    #[test]
    fn an_address_is_taken_apart_and_not_repaired() {
        for (text, host, target) in [
            ("/a/../b", "", "/a/../b"),
            ("//host/a", "", "//host/a"),
            ("https://h:8443/a?b=c://d", "h:8443", "/a?b=c://d"),
            ("HTTP://h", "h", "/"),
            ("https://h?x", "h", "/?x"),
            ("https://h/a#b", "h", "/a#b"),
        ] {
            assert_eq!(address(text), Some((host.to_owned(), target.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "a/b", "ftp://h/a", "https:///a", "https://user@h/a", "h.example/a", "https://h\u{7f}/a"] {
            assert_eq!(address(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_token_stands_alone_or_behind_its_scheme() {
        for text in ["abc", "abc\n", "abc\r\n", "Bearer abc\n", "bearer   abc"] {
            assert_eq!(Authorization::parse(text.as_bytes()).ok().unwrap().header, "Bearer abc", "{text:?}");
        }
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for (bytes, fault) in [
            (&b""[..], "is empty"),
            (b"\r\n", "is empty"),
            (b"a\nb", "has characters that no header can carry"),
            (b"a\x1b[31m", "has characters that no header can carry"),
            (b"\xff", "is not text in UTF-8"),
        ] {
            assert_eq!(Authorization::parse(bytes).err(), Some(fault), "{bytes:?}");
        }
        assert_eq!(Authorization::parse(&vec![b'a'; LONGEST + 1]).err(), Some("is longer than 1 MiB"));
    }

    #[test]
    fn neither_the_token_nor_a_long_part_of_it_stays_in_a_text() {
        let [header, payload, signature] = ["h".repeat(20), "p".repeat(20), "s".repeat(20)];
        let token = format!("{header}.{payload}.{signature}");
        let authorization = Authorization::parse(token.as_bytes()).ok().unwrap();
        let text = authorization.hide_in(&format!("{token} {payload} x{signature}x {}", "p".repeat(15)));
        assert_eq!(text, format!("<token A> <token A> x<token A>x {}", "p".repeat(15)));
    }
}
