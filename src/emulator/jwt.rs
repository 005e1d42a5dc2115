//! Compact JSON Web Tokens: taking them apart and putting them together, without judging them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// A token taken apart. Nothing in it is verified.
#[derive(Debug)]
pub(super) struct Decoded<'t> {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// Header and claims as they were signed.
    pub(super) signing_input: &'t str,
    pub(super) signature: Vec<u8>,
}

impl<'t> Decoded<'t> {
    /// Takes a token apart, or nothing if it is not a compact JWT.
    pub(super) fn parse(token: &'t str) -> Option<Self> {
        let (signing_input, signature) = token.rsplit_once('.')?;
        let (header, claims) = signing_input.split_once('.')?;
        Some(Self {
            header: json_part(header)?,
            claims: json_part(claims)?,
            signing_input,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

/// The claims of a token, unverified.
pub(super) fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    Decoded::parse(token).map(|decoded| decoded.claims)
}

/// The bytes to be signed for a header and claims given as JSON text.
pub(super) fn signing_input(header_json: &str, claims_json: &str) -> String {
    format!("{}.{}", base64url(header_json.as_bytes()), base64url(claims_json.as_bytes()))
}

/// Base64url without padding.
pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A claim that holds a non-empty string.
pub(super) fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// A claim that holds a list of strings, or one string.
pub(super) fn texts<'c>(claims: &'c Map<String, Value>, name: &str) -> Vec<&'c str> {
    match claims.get(name) {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn json_part(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
