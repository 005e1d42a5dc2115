//! The one Bearer challenge that a refusal carries, in the form that every client library parses.
//!
//! One `Bearer`, each parameter once, comma and one blank between them, no quote, backslash or comma inside a value
//! (RFC 9110 section 11.6.1, RFC 6750 section 3). Claims travel as padded standard base64 without `+` and `/`: some
//! libraries decode only the standard alphabet, others only the URL-safe one, and such a text is the same in both.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::identity::{Identity, Tenant};

/// What names us in every challenge of a route: where to sign in, and for which application.
#[derive(Debug, Clone)]
pub(super) struct ChallengeOrigin {
    prefix: String,
}

impl ChallengeOrigin {
    /// The origin for callers of `tenant` on routes of `identity`.
    pub(super) fn of(identity: &Identity, tenant: &Tenant) -> Self {
        let endpoints = tenant.endpoints();
        let authorization = endpoints.as_ref().and_then(|endpoints| endpoints.authorization.as_deref());
        let authorization = authorization.map(|uri| format!("authorization_uri=\"{uri}\", ")).unwrap_or_default();
        Self { prefix: format!("Bearer {authorization}client_id=\"{}\"", identity.client_id) }
    }

    /// A challenge without an error: there was no token (RFC 6750 section 3.1).
    pub(super) fn plain(&self) -> String {
        self.prefix.clone()
    }

    /// A challenge with an error code.
    pub(super) fn error(&self, error: &str) -> String {
        format!("{}, error=\"{error}\"", self.prefix)
    }

    /// `insufficient_scope`, with the scopes that are required.
    pub(super) fn insufficient_scope(&self, scopes: &[Box<str>]) -> String {
        let challenge = self.error("insufficient_scope");
        if scopes.is_empty() { challenge } else { format!("{challenge}, scope=\"{}\"", scopes.join(" ")) }
    }

    /// `insufficient_claims`, with the claims that the identity provider asks for.
    pub(super) fn insufficient_claims(&self, claims: &str) -> String {
        format!("{}, claims=\"{}\"", self.error("insufficient_claims"), encode_claims(claims))
    }
}

/// Encodes a JSON text so that neither `+` nor `/` appears. Where the very bytes would yield one, the characters that
/// can cause it are written as JSON's hexadecimal escapes: the same JSON in other bytes.
fn encode_claims(claims: &str) -> String {
    let encoded = STANDARD.encode(claims);
    if encoded.contains(['+', '/']) { STANDARD.encode(escape(claims)) } else { encoded }
}

/// Only `>`, `?`, `~`, DEL and what is not ASCII can fill six bits with 62 or 63; valid JSON has them in strings only.
fn escape(claims: &str) -> String {
    let mut escaped = String::with_capacity(claims.len() + 32);
    let mut units = [0; 2];
    for character in claims.chars() {
        if character.is_ascii() && !matches!(character, '>' | '?' | '~' | '\u{7f}') {
            escaped.push(character);
        } else {
            for unit in character.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn origin() -> ChallengeOrigin {
        ChallengeOrigin { prefix: "Bearer authorization_uri=\"https://h/t/authorize\", client_id=\"c\"".to_owned() }
    }

    #[test]
    fn challenges_have_one_form() {
        let start = "Bearer authorization_uri=\"https://h/t/authorize\", client_id=\"c\"";
        assert_eq!(origin().plain(), start);
        assert_eq!(origin().error("invalid_token"), format!("{start}, error=\"invalid_token\""));
        assert_eq!(origin().insufficient_scope(&[]), format!("{start}, error=\"insufficient_scope\""));
        assert_eq!(
            origin().insufficient_scope(&["a".into(), "b".into()]),
            format!("{start}, error=\"insufficient_scope\", scope=\"a b\"")
        );
        assert_eq!(
            origin().insufficient_claims(r#"{"access_token":{}}"#),
            format!("{start}, error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"")
        );
    }

    #[test]
    fn exact_bytes_are_kept_where_they_can_be() {
        let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        assert_eq!(STANDARD.decode(encode_claims(claims)).unwrap(), claims.as_bytes());
    }

    proptest! {
        #[test]
        fn any_claims_decode_to_the_same_json(texts in proptest::collection::vec("[>?~\u{7f}é\u{1F600}a\"\\\\/+ ]{0,12}|.*", 0..6)) {
            let claims = json!({ "access_token": { "values": texts } });
            let encoded = encode_claims(&claims.to_string());
            prop_assert!(!encoded.contains(['+', '/', '-', '_', ',', '"', '\\']));
            prop_assert_eq!(URL_SAFE.decode(&encoded).unwrap(), STANDARD.decode(&encoded).unwrap());
            let decoded: Value = serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap();
            prop_assert_eq!(decoded, claims);
        }
    }
}
