//! One of Entra's refusals, named by its AADSTS number.

use serde::{Deserialize, Deserializer, Serialize};

/// An answer of Entra: the number decides the rest, as far as nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AadstsError {
    /// The AADSTS number. Of an unknown one the answer is 400 `invalid_request`.
    pub code: u32,
    /// Another HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Another `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Another `suberror`; an empty one for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suberror: Option<String>,
    /// Other `claims`; empty ones for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<String>,
}

impl AadstsError {
    /// The answer of this number.
    #[must_use]
    pub fn new(code: u32) -> Self {
        Self { code, status: None, error: None, suberror: None, claims: None }
    }
}

/// Reads the number alone, or an object of the members.
impl<'de> Deserialize<'de> for AadstsError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Members {
            code: u32,
            status: Option<u16>,
            error: Option<String>,
            suberror: Option<String>,
            claims: Option<String>,
        }
        let value = serde_json::Value::deserialize(deserializer)?;
        if let Some(code) = value.as_u64().and_then(|code| u32::try_from(code).ok()) {
            return Ok(Self::new(code));
        }
        let Members { code, status, error, suberror, claims } =
            serde_json::from_value(value).map_err(serde::de::Error::custom)?;
        Ok(Self { code, status, error, suberror, claims })
    }
}
