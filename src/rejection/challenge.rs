//! The one Bearer challenge that a refusal carries, in the form that every client library parses.
//!
//! One `Bearer`, each parameter once, comma and one blank between them, no quote, backslash or comma inside a value
//! (RFC 9110 section 11.6.1, RFC 6750 section 3). Claims travel as padded standard base64 without `+` and `/`: some
//! libraries decode only the standard alphabet, others only the URL-safe one, and such a text is the same in both. What it
//! decodes to is ASCII: browsers' `atob`, which some libraries decode with, makes a character of each byte.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::party::Party;

/// What is the same in every challenge of a route: where to sign in, for which application, and where to read more.
#[derive(Debug, Clone)]
pub(super) struct ChallengeOrigin {
    prefix: String,
    /// The scopes that a client without a good token asks for, as a parameter.
    scope: String,
    /// The address of the route's metadata, as a parameter; always the last one.
    metadata: String,
}

impl ChallengeOrigin {
    /// The origin for callers and routes of `party`.
    pub(super) fn of(party: Party<'_>) -> Self {
        let endpoints = party.tenant.endpoints();
        let authorization = endpoints.as_ref().and_then(|endpoints| endpoints.authorization.as_deref());
        let authorization = authorization.map(|uri| format!("authorization_uri=\"{uri}\", ")).unwrap_or_default();
        let metadata = party.resource.and_then(|resource| resource.metadata);
        Self {
            prefix: format!("Bearer {authorization}client_id=\"{}\"", party.identity.client_id),
            scope: party.resource.map(|resource| scope_parameter(resource.scopes)).unwrap_or_default(),
            metadata: metadata.map(|url| format!(", resource_metadata=\"{url}\"")).unwrap_or_default(),
        }
    }

    /// A challenge without an error: there was no token (RFC 6750 section 3.1).
    pub(super) fn plain(&self) -> String {
        self.with(&self.scope)
    }

    /// `invalid_token`, with the scopes that another token needs.
    pub(super) fn invalid_token(&self) -> String {
        self.with(&format!(", error=\"invalid_token\"{}", self.scope))
    }

    /// A challenge with another error code.
    pub(super) fn error(&self, error: &str) -> String {
        self.with(&format!(", error=\"{error}\""))
    }

    /// `insufficient_scope`, with the scopes that are required.
    pub(super) fn insufficient_scope(&self, scopes: &[Box<str>]) -> String {
        self.with(&format!(", error=\"insufficient_scope\"{}", scope_parameter(scopes)))
    }

    /// `insufficient_claims`, with the claims that the identity provider asks for.
    pub(super) fn insufficient_claims(&self, claims: &str) -> String {
        self.with(&format!(", error=\"insufficient_claims\", claims=\"{}\"", encode_claims(claims)))
    }

    fn with(&self, parameters: &str) -> String {
        format!("{}{parameters}{}", self.prefix, self.metadata)
    }
}

fn scope_parameter(scopes: &[Box<str>]) -> String {
    if scopes.is_empty() { String::new() } else { format!(", scope=\"{}\"", scopes.join(" ")) }
}

/// Encodes a JSON text so that neither `+` nor `/` appears and ASCII comes out. Where the very bytes would not do, the
/// characters that can cause it are written as JSON's hexadecimal escapes: the same JSON in other bytes.
fn encode_claims(claims: &str) -> String {
    let encoded = STANDARD.encode(claims);
    if encoded.contains(['+', '/']) || !claims.is_ascii() { STANDARD.encode(escape(claims)) } else { encoded }
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

    const START: &str = "Bearer authorization_uri=\"https://h/t/authorize\", client_id=\"c\"";

    fn origin(scope: &str, metadata: &str) -> ChallengeOrigin {
        ChallengeOrigin { prefix: START.to_owned(), scope: scope.to_owned(), metadata: metadata.to_owned() }
    }

    #[test]
    fn challenges_have_one_form() {
        let origin = origin("", "");
        assert_eq!(origin.plain(), START);
        assert_eq!(origin.invalid_token(), format!("{START}, error=\"invalid_token\""));
        assert_eq!(origin.error("invalid_request"), format!("{START}, error=\"invalid_request\""));
        assert_eq!(origin.insufficient_scope(&[]), format!("{START}, error=\"insufficient_scope\""));
        assert_eq!(
            origin.insufficient_scope(&["a".into(), "b".into()]),
            format!("{START}, error=\"insufficient_scope\", scope=\"a b\"")
        );
        assert_eq!(
            origin.insufficient_claims(r#"{"access_token":{}}"#),
            format!("{START}, error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\"")
        );
    }

    #[test]
    fn metadata_come_last_and_each_parameter_once() {
        let end = ", resource_metadata=\"https://h/m\"";
        let origin = origin(", scope=\"api://a/x\"", end);
        assert_eq!(origin.plain(), format!("{START}, scope=\"api://a/x\"{end}"));
        assert_eq!(origin.invalid_token(), format!("{START}, error=\"invalid_token\", scope=\"api://a/x\"{end}"));
        assert_eq!(origin.error("invalid_request"), format!("{START}, error=\"invalid_request\"{end}"));
        assert_eq!(
            origin.insufficient_scope(&["a".into()]),
            format!("{START}, error=\"insufficient_scope\", scope=\"a\"{end}")
        );
        assert_eq!(
            origin.insufficient_claims("{}"),
            format!("{START}, error=\"insufficient_claims\", claims=\"e30=\"{end}")
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
            let decoded = STANDARD.decode(encoded).unwrap();
            prop_assert!(decoded.is_ascii());
            prop_assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap(), claims);
        }
    }
}
