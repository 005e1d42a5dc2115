//! Token A as it stands in the request: exactly one `Authorization` header with one `Bearer` token (RFC 6750).

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

/// The one Bearer token of a request.
///
/// # Errors
/// [`BearerError`] where there is none, or more than one way to read it.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, BearerError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(BearerError::Missing)?;
    if values.next().is_some() {
        return Err(BearerError::Ambiguous);
    }
    let value = value.as_bytes().trim_ascii();
    let (scheme, credential) = value.split_at(memchr(b' ', value).unwrap_or(value.len()));
    if let Some(token) = lone_token(scheme, credential.trim_ascii_start()) {
        return Ok(token);
    }
    if scheme.contains(&b',') || has_second_scheme(credential) {
        return Err(BearerError::Ambiguous);
    }
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(BearerError::Missing);
    }
    let is_too_long = credential.trim_ascii_start().len() > MAX_TOKEN;
    Err(if is_too_long { BearerError::TooLong } else { BearerError::Malformed })
}

/// What nearly every request has: `Bearer` and a token, which can hold no second credential.
fn lone_token<'a>(scheme: &[u8], credential: &'a [u8]) -> Option<&'a str> {
    let is_one = scheme.eq_ignore_ascii_case(b"bearer") && credential.len() <= MAX_TOKEN && is_token68(credential);
    if is_one { std::str::from_utf8(credential).ok() } else { None }
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
