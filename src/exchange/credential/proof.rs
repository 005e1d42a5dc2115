//! What a token request carries to authenticate us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderValue, InvalidHeaderValue};
use url::form_urlencoded::byte_serialize;

use crate::secret::Secret;

/// What a token request carries to authenticate us.
#[derive(Debug)]
pub(in crate::exchange) enum Proof {
    /// Nothing; only where a target's token endpoint asks for nothing.
    None,
    /// `client_secret` in the form.
    Secret(Secret),
    /// The `Authorization` header.
    Basic(HeaderValue),
    /// `client_assertion`.
    Assertion(Secret),
}

/// HTTP Basic with both parts form-urlencoded first (RFC 6749 section 2.3.1).
pub(super) fn basic(client_id: &str, secret: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let [client_id, secret] =
        [client_id, secret.expose()].map(|part| byte_serialize(part.as_bytes()).collect::<String>());
    let pair = Secret::new(format!("{client_id}:{secret}"));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.expose())))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_encodes_both_parts() {
        let value = basic("a:b", &Secret::new("s:e%c ret".to_owned())).unwrap();
        let decoded = STANDARD.decode(value.to_str().unwrap().strip_prefix("Basic ").unwrap()).unwrap();
        assert_eq!(decoded, b"a%3Ab:s%3Ae%25c+ret");
        assert!(value.is_sensitive());
    }
}
