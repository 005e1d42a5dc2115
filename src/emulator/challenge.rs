//! A claims challenge as a client receives it, and what it asks of the next token.

use std::{error::Error, fmt, str::FromStr};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// What a claims challenge, or the parameter `claims` of a request, asks of the next access token.
///
/// A minted token satisfies a demand for `acrs`, and any demand that the policy's own challenge makes. Others are
/// ignored: a new token with a new `iat` satisfies them, as far as the emulator can tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClaimsChallenge {
    demands: Map<String, Value>,
}

impl ClaimsChallenge {
    /// Reads the parameter `claims` of a request; without one nothing is asked for.
    pub(super) fn of_parameter(claims: Option<&str>) -> Result<Self, Refusal> {
        let Some(claims) = claims else { return Ok(Self::default()) };
        let claims: Map<String, Value> = serde_json::from_str(claims)
            .map_err(|_| Refusal::Malformed("the parameter 'claims' is not a JSON object"))?;
        let demands = claims.get("access_token").and_then(Value::as_object);
        Ok(Self { demands: demands.cloned().unwrap_or_default() })
    }

    /// What either asks for.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.demands.extend(other.demands);
        self
    }

    /// The authentication contexts that the token must carry in `acrs`.
    pub(super) fn acrs(&self) -> Vec<&str> {
        self.values("acrs")
    }

    /// The capabilities of the client, which the token repeats in `xms_cc`.
    pub(super) fn capabilities(&self) -> Vec<&str> {
        self.values("xms_cc")
    }

    /// Whether the client can handle claims challenges, so that its tokens may be challenged at any time.
    pub(super) fn declares_cp1(&self) -> bool {
        self.capabilities().iter().any(|capability| capability.eq_ignore_ascii_case("cp1"))
    }

    /// Whether all that `other` asks for, and it does ask, is asked for here too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let covered = |name: &String| {
            let values = self.values(name);
            self.demands.contains_key(name) && other.values(name).iter().all(|value| values.contains(value))
        };
        !other.demands.is_empty() && other.demands.keys().all(covered)
    }

    /// `value` and `values` of one demanded claim (`OpenID` Connect Core, section 5.5.1).
    fn values(&self, name: &str) -> Vec<&str> {
        let demand = self.demands.get(name);
        let listed = demand.and_then(|demand| demand.get("values")).and_then(Value::as_array).into_iter().flatten();
        let values = demand.and_then(|demand| demand.get("value")).into_iter().chain(listed);
        values.filter_map(Value::as_str).collect()
    }

    fn from_json(challenge: &Value) -> Result<Self, InvalidChallenge> {
        let demands = challenge.get("access_token").and_then(Value::as_object).ok_or(InvalidChallenge)?;
        Ok(Self { demands: demands.clone() })
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
        let texts = [CHALLENGE.to_owned(), STANDARD.encode(CHALLENGE), URL_SAFE_NO_PAD.encode(CHALLENGE)];
        for text in texts {
            assert_eq!(text.parse::<ClaimsChallenge>().unwrap().acrs(), ["c1"], "{text}");
        }
    }

    #[test]
    fn covers_what_it_asks_for_itself() {
        let parse = |text: &str| text.parse::<ClaimsChallenge>().unwrap();
        let policies = parse(r#"{"access_token":{"polids":{"essential":true,"values":["p1"]}}}"#);
        let more = parse(r#"{"access_token":{"polids":{"values":["p1","p2"]},"xms_cc":{"values":["cp1"]}}}"#);
        assert!(more.covers(&policies) && !policies.covers(&more));
        assert!(!more.covers(&parse(CHALLENGE)) && !more.covers(&ClaimsChallenge::default()));
    }

    #[test]
    fn refuses_what_is_not_a_challenge() {
        assert_eq!("c1".parse::<ClaimsChallenge>(), Err(InvalidChallenge));
        assert_eq!("{}".parse::<ClaimsChallenge>(), Err(InvalidChallenge));
    }
}
