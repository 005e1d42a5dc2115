//! Taking a token apart: compact JWS (RFC 7515 section 7.1), its header and its claims. Nothing is verified here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::invalid::InvalidToken;
use super::json::unique_object;

/// A token in its parts, unverified.
#[derive(Debug)]
pub(super) struct CompactJws<'a> {
    /// What the signature covers: header, dot, payload.
    pub(super) signed: &'a str,
    /// The signature, base64url.
    pub(super) signature: &'a str,
    /// The signature algorithm that the header names.
    pub(super) algorithm: Algorithm,
    /// The key that the header names.
    pub(super) key_id: String,
    /// The header.
    pub(super) header: Map<String, Value>,
    /// The payload.
    pub(super) claims: Map<String, Value>,
}

impl<'a> CompactJws<'a> {
    /// Takes `token` apart.
    pub(super) fn parse(token: &'a str) -> Result<Self, InvalidToken> {
        let (signed, signature) = token.rsplit_once('.').ok_or(InvalidToken::NotJwt)?;
        let (header, payload) = signed.split_once('.').ok_or(InvalidToken::NotJwt)?;
        if payload.contains('.') {
            return Err(if token.split('.').count() == 5 { InvalidToken::Encrypted } else { InvalidToken::NotJwt });
        }
        let header = decode(header).ok_or(InvalidToken::MalformedHeader)?;
        let algorithm = algorithm(&header)?;
        if header.contains_key("crit") {
            return Err(InvalidToken::CriticalHeader);
        }
        let key_id = match header.get("kid") {
            Some(Value::String(key_id)) => key_id.clone(),
            _ => return Err(InvalidToken::NoKeyId),
        };
        let claims = decode(payload).ok_or(InvalidToken::MalformedClaims)?;
        Ok(Self { signed, signature, algorithm, key_id, header, claims })
    }
}

/// Header and payload of a token as far as they can be read, whatever else is wrong with it; for people.
pub(super) fn stated(token: &str) -> (Map<String, Value>, Map<String, Value>) {
    let mut parts = token.split('.');
    let mut part = || parts.next().and_then(decode).unwrap_or_default();
    (part(), part())
}

fn decode(part: &str) -> Option<Map<String, Value>> {
    let text = URL_SAFE_NO_PAD.decode(part).ok()?;
    unique_object(&text).ok()
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, InvalidToken> {
    let name = header.get("alg").and_then(Value::as_str).ok_or(InvalidToken::MalformedHeader)?;
    name.parse().map_err(|_| InvalidToken::Algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    fn refusal(token: &str) -> InvalidToken {
        CompactJws::parse(token).unwrap_err()
    }

    #[test]
    fn takes_a_token_apart() {
        let token = token(r#"{"alg":"RS256","kid":"k","typ":"JWT"}"#, r#"{"aud":"a"}"#);
        let parts = CompactJws::parse(&token).unwrap();
        assert_eq!((parts.key_id.as_str(), parts.algorithm, parts.signature), ("k", Algorithm::RS256, "c2ln"));
        assert_eq!(parts.claims["aud"], "a");
    }

    #[test]
    fn says_what_is_wrong_with_the_form() {
        let header = r#"{"alg":"RS256","kid":"k"}"#;
        assert_eq!(refusal("opaque"), InvalidToken::NotJwt);
        assert_eq!(refusal("a.b"), InvalidToken::NotJwt);
        assert_eq!(refusal("a.b.c.d"), InvalidToken::NotJwt);
        assert_eq!(refusal("a.b.c.d.e"), InvalidToken::Encrypted);
        assert_eq!(refusal("a.b.c"), InvalidToken::MalformedHeader);
        assert_eq!(refusal(&token("[]", "{}")), InvalidToken::MalformedHeader);
        assert_eq!(refusal(&token(r#"{"kid":"k"}"#, "{}")), InvalidToken::MalformedHeader);
        assert_eq!(refusal(&token(r#"{"alg":"none","kid":"k"}"#, "{}")), InvalidToken::Algorithm);
        assert_eq!(refusal(&token(r#"{"alg":"RS256","alg":"RS256","kid":"k"}"#, "{}")), InvalidToken::MalformedHeader);
        assert_eq!(refusal(&token(r#"{"alg":"RS256","kid":"k","crit":[]}"#, "{}")), InvalidToken::CriticalHeader);
        assert_eq!(refusal(&token(r#"{"alg":"RS256"}"#, "{}")), InvalidToken::NoKeyId);
        assert_eq!(refusal(&token(header, "x")), InvalidToken::MalformedClaims);
        assert_eq!(refusal(&token(header, r#"{"aud":"a","aud":"b"}"#)), InvalidToken::MalformedClaims);
        assert_eq!(refusal(&format!("{}=", token(header, "{}")).replace(".c", "=.c")), InvalidToken::MalformedClaims);
    }
}
