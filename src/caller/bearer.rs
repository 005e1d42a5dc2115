//! Token A as it stands in the request: exactly one `Authorization` header with one `Bearer` token (RFC 6750).

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use memchr::memchr;

/// What the `Authorization` headers of a request hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerError {
    /// There is no `Authorization` header, or it is for another scheme than `Bearer`.
    Missing,
    /// There is more than one header, or more than one credential in it.
    Ambiguous,
    /// It is not a `token68` (RFC 9110 section 11.2).
    Malformed,
    /// It is longer than [`MAX_TOKEN`] bytes.
    TooLong,
}

/// What follows `Bearer` in the only `Authorization` header of a request. Whether it is one token, and one at all, has not
/// been looked at yet: that costs a look at each byte, which is of no use where the very same bytes have been a token before.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    scheme: &'a [u8],
    /// With the blanks before it.
    credential: &'a [u8],
}

impl<'a> Presented<'a> {
    /// Reads it off the headers of a request.
    ///
    /// # Errors
    /// [`BearerError`] where there is none, or more than one header, or one that is too long.
    pub fn of(headers: &'a HeaderMap) -> Result<Self, BearerError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(BearerError::Missing)?;
        if values.next().is_some() {
            return Err(BearerError::Ambiguous);
        }
        let value = value.as_bytes().trim_ascii();
        let (scheme, credential) = value.split_at(memchr(b' ', value).unwrap_or(value.len()));
        let presented = Self { scheme, credential };
        let may_be_one = scheme.eq_ignore_ascii_case(b"bearer") && (1..=MAX_TOKEN).contains(&presented.bytes().len());
        if may_be_one { Ok(presented) } else { Err(presented.fault()) }
    }

    /// All that follows the scheme, whatever it is.
    pub fn bytes(&self) -> &'a [u8] {
        self.credential.trim_ascii_start()
    }

    /// The token.
    ///
    /// # Errors
    /// [`BearerError`] where it is none, or more than one.
    pub fn token(&self) -> Result<&'a str, BearerError> {
        let token = Some(self.bytes()).filter(|bytes| is_token68(bytes)).map(std::str::from_utf8);
        token.and_then(Result::ok).ok_or_else(|| self.fault())
    }

    /// What is wrong with what is no token.
    fn fault(&self) -> BearerError {
        if self.scheme.contains(&b',') || has_second_scheme(self.credential) {
            BearerError::Ambiguous
        } else if !self.scheme.eq_ignore_ascii_case(b"bearer") {
            BearerError::Missing
        } else if self.bytes().len() > MAX_TOKEN {
            BearerError::TooLong
        } else {
            BearerError::Malformed
        }
    }
}

/// Prints how long it is, never what it is.
impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("length", &self.bytes().len()).finish_non_exhaustive()
    }
}

/// The one Bearer token of a request.
///
/// # Errors
/// [`BearerError`] where there is none, or more than one way to read it.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, BearerError> {
    Presented::of(headers)?.token()
}

/// A comma separates credentials; inside one of another scheme (`Digest a="b", c="d"`) it is no matter of ours, but a
/// word `Bearer` behind it is.
fn has_second_scheme(credential: &[u8]) -> bool {
    let mut parts = credential.split(|byte| *byte == b',');
    let first = parts.next().unwrap_or_default().trim_ascii();
    let lone_token = !first.contains(&b'=') || is_token68(first);
    parts.any(|part| lone_token || starts_with_bearer(part.trim_ascii_start()))
}

fn starts_with_bearer(part: &[u8]) -> bool {
    part.split(|byte| *byte == b' ').next().is_some_and(|word| word.eq_ignore_ascii_case(b"bearer"))
}

/// Every byte of every token is looked at, so without branches, many at once.
fn is_token68(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = token.get(..token.len() - padding).unwrap_or_default();
    let all_plain = |bytes: &[u8]| bytes.iter().fold(true, |all, byte| all & is_token68_byte(*byte));
    !body.is_empty() && body.chunks(AT_ONCE).all(all_plain)
}

/// The characters of a `token68` before its padding: letters, digits, and `-._~+/`.
#[expect(clippy::needless_bitwise_bool, reason = "without branches, many bytes are looked at at once")]
fn is_token68_byte(byte: u8) -> bool {
    let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let is_digit_or_sign = byte.wrapping_sub(b'-') < 13; // - . / 0 to 9
    is_letter | is_digit_or_sign | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

/// So many bytes are looked at before it is asked whether one of them was wrong.
const AT_ONCE: usize = 256;

/// The longest token A that is looked at, in bytes. Entra leaves groups out of a token long before that.
pub const MAX_TOKEN: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(values: &[&str]) -> Result<String, BearerError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        bearer_token(&headers).map(str::to_owned)
    }

    #[test]
    fn reads_one_token_of_one_scheme() {
        for value in ["Bearer a.b-c_d~e+f/g==", "bearer a.b-c_d~e+f/g==", "BEARER   a.b-c_d~e+f/g== "] {
            assert_eq!(parse(&[value]).as_deref(), Ok("a.b-c_d~e+f/g=="), "{value}");
        }
    }

    #[test]
    fn tells_missing_ambiguous_and_malformed_apart() {
        use BearerError as E;
        for (values, expected) in [
            (&[][..], E::Missing),
            (&["Basic dXNlcjpwYXNz"], E::Missing),
            (&["Basic"], E::Missing),
            (&["Digest username=\"a\", realm=\"b\""], E::Missing),
            (&[""], E::Missing),
            (&["Bearerx y"], E::Missing),
            (&["Bearer a", "Bearer a"], E::Ambiguous),
            (&["Bearer a", "Basic b"], E::Ambiguous),
            (&["Bearer a, Bearer b"], E::Ambiguous),
            (&["Bearer a,Basic b"], E::Ambiguous),
            (&["Bearer a=, Basic b"], E::Ambiguous),
            (&["Basic a==, Bearer b"], E::Ambiguous),
            (&["Digest x=\"y\", Bearer b"], E::Ambiguous),
            (&["Bearer,Basic"], E::Ambiguous),
            (&["Bearer"], E::Malformed),
            (&["Bearer "], E::Malformed),
            (&["Bearer a b"], E::Malformed),
            (&["Bearer =a"], E::Malformed),
            (&["Bearer \"a\""], E::Malformed),
            (&["Bearer a\u{e9}"], E::Malformed),
        ] {
            assert_eq!(parse(values), Err(expected), "{values:?}");
        }
    }

    #[test]
    fn refuses_a_token_of_64_kilobytes() {
        assert_eq!(parse(&[&format!("Bearer {}", "a".repeat(65_536))]), Err(BearerError::TooLong));
        assert!(parse(&[&format!("Bearer {}", "a".repeat(MAX_TOKEN))]).is_ok());
    }

    #[test]
    fn the_characters_of_a_token_are_those_of_the_standard() {
        let listed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";
        for byte in 0..=u8::MAX {
            assert_eq!(is_token68_byte(byte), listed.contains(&byte), "{byte}");
        }
    }
}
