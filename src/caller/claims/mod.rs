//! The claims that decide anything, in their types. A claim of the wrong type is a refusal, never a default.

mod entra;
mod oidc;

use serde_json::{Map, Value};

use super::invalid::InvalidToken;
use super::jws::CompactJws;
use crate::identity::Provider;

/// The claims of a token A, whichever provider it is from. That somebody vouches for them is what
/// [`VerifiedCaller`](super::VerifiedCaller) says, and nothing else.
#[derive(Debug, Clone)]
pub struct Claims {
    pub(super) issuer: Box<str>,
    pub(super) audiences: Vec<Box<str>>,
    /// `tid`; empty at a provider without tenants.
    pub(super) tenant_id: Box<str>,
    pub(super) subject: Box<str>,
    /// Seconds since 1970.
    pub(super) expires: u64,
    /// Seconds since 1970.
    pub(super) not_before: Option<u64>,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) roles: Vec<Box<str>>,
    pub(super) client: Option<Box<str>>,
    pub(super) kind: Kind,
    /// Whether the client declared that it can handle claims challenges.
    pub(super) handles_claims_challenges: bool,
}

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user, by way of a client.
    User,
    /// A client on its own.
    App,
    /// Nothing that grants access.
    Neither,
}

impl Claims {
    /// Reads the claims of a token by the rules of this kind of provider.
    pub(super) fn read(provider: &Provider, jws: &CompactJws<'_>) -> Result<Self, InvalidToken> {
        match provider {
            Provider::Entra { .. } => entra::read(&jws.claims),
            Provider::Oidc { .. } => oidc::read(&jws.header, &jws.claims),
        }
    }

    /// What the token stands for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The client application that acquired the token (at Entra `azp` or `appid`; elsewhere `client_id`, `azp`, `cid`).
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// The scopes of the token (`scp`, elsewhere than at Entra `scope`).
    pub fn scopes(&self) -> &[Box<str>] {
        &self.scopes
    }

    /// The roles of the token (`roles`; those of the realm at Keycloak).
    pub fn roles(&self) -> &[Box<str>] {
        &self.roles
    }

    /// Whether the client declared that it can handle claims challenges (`xms_cc` of Entra has `cp1`).
    pub fn handles_claims_challenges(&self) -> bool {
        self.handles_claims_challenges
    }

    /// The end of the token (`exp`), in seconds since 1970.
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// The beginning of the token (`nbf`), in seconds since 1970.
    pub fn not_before(&self) -> Option<u64> {
        self.not_before
    }
}

/// Claims that only ID tokens carry (`OpenID` Connect Core sections 2 and 3.3.2.11).
fn has_id_token_claims(object: &Map<String, Value>) -> bool {
    ["nonce", "at_hash", "c_hash"].iter().any(|name| object.contains_key(*name))
}

fn text(object: &Map<String, Value>, name: &'static str) -> Result<Option<Box<str>>, InvalidToken> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(InvalidToken::Claim(name)),
    }
}

fn words(text: &str) -> Vec<Box<str>> {
    text.split_ascii_whitespace().map(Into::into).collect()
}

fn one_or_many(object: &Map<String, Value>, name: &'static str) -> Result<Option<Vec<Box<str>>>, InvalidToken> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text.as_str().into()])),
        Some(Value::Array(items)) => {
            let texts = items.iter().map(|item| item.as_str().map(Into::into));
            texts.collect::<Option<_>>().map(Some).ok_or(InvalidToken::Claim(name))
        }
        Some(_) => Err(InvalidToken::Claim(name)),
    }
}

/// A `NumericDate` (RFC 7519 section 2): fractions are cut off, which never makes a token last longer.
fn seconds(object: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, InvalidToken> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let number = value.as_f64().filter(|number| (0.0..=LAST_SECOND).contains(number));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was just checked")]
    number.map(|number| Some(number as u64)).ok_or(InvalidToken::Claim(name))
}

/// The last second of the year 9999, in seconds since 1970; whole numbers up to it are exact in a float.
const LAST_SECOND: f64 = 253_402_300_799.0;
