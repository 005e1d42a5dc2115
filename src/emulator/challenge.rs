//! A claims challenge as a client receives it, and what it asks of the next token.

use std::{error::Error, fmt, str::FromStr};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The demands of a claims challenge that a minted token can satisfy. Others are ignored: a new token with a new
/// `iat` satisfies them, as far as the emulator can tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimsChallenge {
    acrs: Vec<String>,
}

impl ClaimsChallenge {
    /// The authentication contexts that the token must carry in `acrs`.
    pub(super) fn acrs(&self) -> &[String] {
        &self.acrs
    }

    fn from_json(challenge: &Value) -> Result<Self, InvalidChallenge> {
        let demands = challenge.get("access_token").and_then(Value::as_object).ok_or(InvalidChallenge)?;
        Ok(Self { acrs: demands.get("acrs").and_then(Value::as_object).map(demanded_values).unwrap_or_default() })
    }
}

/// Reads JSON, or JSON in base64 of either alphabet with or without padding.
impl FromStr for ClaimsChallenge {
    type Err = InvalidChallenge;

    fn from_str(text: &str) -> Result<Self, InvalidChallenge> {
        let text = text.trim();
        let json =
            if text.starts_with('{') { text.as_bytes().to_vec() } else { decode(text).ok_or(InvalidChallenge)? };
        Self::from_json(&serde_json::from_slice(&json).map_err(|_| InvalidChallenge)?)
    }
}

/// Reads a string as [`FromStr`] does, or the challenge as a JSON object.
impl<'de> Deserialize<'de> for ClaimsChallenge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let challenge = Value::deserialize(deserializer)?;
        let parsed = match challenge.as_str() {
            Some(text) => text.parse(),
            None => Self::from_json(&challenge),
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

/// The text is not a claims challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidChallenge;

impl fmt::Display for InvalidChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claims challenge is a JSON object with `access_token`, plain or in base64")
    }
}

impl Error for InvalidChallenge {}

/// `value` and `values` of one demanded claim (`OpenID` Connect Core, section 5.5.1).
fn demanded_values(demand: &Map<String, Value>) -> Vec<String> {
    let listed = demand.get("values").and_then(Value::as_array).into_iter().flatten();
    let values = demand.get("value").into_iter().chain(listed);
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = text.replace('-', "+").replace('_', "/");
    GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(standard).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    use super::*;

    const CHALLENGE: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

    #[test]
    fn reads_json_and_both_base64_alphabets() {
        let expected = Ok(ClaimsChallenge { acrs: vec!["c1".to_owned()] });
        assert_eq!(CHALLENGE.parse(), expected);
        assert_eq!(STANDARD.encode(CHALLENGE).parse(), expected);
        assert_eq!(URL_SAFE_NO_PAD.encode(CHALLENGE).parse(), expected);
    }

    #[test]
    fn refuses_what_is_not_a_challenge() {
        assert_eq!("c1".parse::<ClaimsChallenge>(), Err(InvalidChallenge));
        assert_eq!("{}".parse::<ClaimsChallenge>(), Err(InvalidChallenge));
    }
}
