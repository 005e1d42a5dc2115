//! What a route lets its target have in place of token A.

use http::HeaderName;
use serde_json::{Map, Value};

use crate::identity::Credential;

/// How a caller's token A becomes what the target receives.
#[derive(Debug, Clone, PartialEq)]
pub enum Grant {
    /// A token B acquired on behalf of the caller (OAuth 2.0 On-Behalf-Of).
    OnBehalfOf(OnBehalfOf),
    /// A token of our own application (RFC 6749 section 4.4), the same for all callers of a tenant.
    ClientCredentials {
        /// The scopes of the token; at Entra `.default` of one resource.
        scopes: Vec<Box<str>>,
    },
    /// A token for which token A was exchanged by RFC 8693.
    TokenExchange(TokenExchange),
    /// Nothing: the request is forwarded without a credential.
    None,
}

/// What is asked for on behalf of a caller.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OnBehalfOf {
    /// The scopes of B, all of one resource.
    pub scopes: Vec<Box<str>>,
    /// What each request asks for by its `claims` parameter (`OpenID` Connect Core section 5.5).
    pub claims: Option<Map<String, Value>>,
    /// Ask for a SAML assertion in place of an access token.
    pub saml: Option<Saml>,
}

/// The parameters of RFC 8693, section 2.1; `subject_token` is token A.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenExchange {
    /// `scope`; may be empty.
    pub scopes: Vec<Box<str>>,
    /// `audience`: logical names of targets.
    pub audiences: Vec<Box<str>>,
    /// `resource`: addresses of targets.
    pub resources: Vec<Box<str>>,
    /// `subject_token_type`.
    pub subject_token_type: Box<str>,
    /// `requested_token_type`, if the request says it.
    pub requested_token_type: Option<Box<str>>,
    /// Further parameters, which some authorization servers want.
    pub parameters: Vec<(Box<str>, Box<str>)>,
}

/// A SAML assertion, and where it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Saml {
    /// The version of the assertion.
    pub version: SamlVersion,
    /// Where the assertion goes.
    pub delivery: Delivery,
}

/// A version of SAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamlVersion {
    /// SAML 1.1.
    Saml1,
    /// SAML 2.0.
    Saml2,
}

/// Where a SAML assertion goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// Into a header of the forwarded request, as the identity provider encoded it (base64url).
    Header {
        /// The header.
        name: HeaderName,
        /// The word before the assertion, if there is one.
        scheme: Option<Box<str>>,
    },
    /// To the target's own token endpoint, for a Bearer token of that system (RFC 7522).
    TokenEndpoint(AssertionGrant),
}

/// The exchange of a SAML 2.0 assertion for an access token (RFC 7522 section 2.1).
#[derive(Debug, Clone, PartialEq)]
pub struct AssertionGrant {
    /// The token endpoint.
    pub endpoint: Box<str>,
    /// Our client ID there, if clients have to name themselves.
    pub client_id: Option<Box<str>>,
    /// Our credential there, if clients have to authenticate.
    pub credential: Option<Credential>,
    /// The scopes of the token; may be empty.
    pub scopes: Vec<Box<str>>,
}

impl SamlVersion {
    /// Its name in `requested_token_type` (RFC 8693 section 3).
    pub fn token_type(self) -> &'static str {
        match self {
            Self::Saml1 => "urn:ietf:params:oauth:token-type:saml1",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
        }
    }
}

impl Grant {
    /// Whether the target has a token endpoint of its own, to which a SAML assertion goes.
    pub fn asks_target(&self) -> bool {
        let Self::OnBehalfOf(OnBehalfOf { saml: Some(saml), .. }) = self else { return false };
        matches!(saml.delivery, Delivery::TokenEndpoint(_))
    }

    /// The scopes, separated by blanks.
    pub fn scope(&self) -> String {
        match self {
            Self::OnBehalfOf(OnBehalfOf { scopes, .. })
            | Self::ClientCredentials { scopes }
            | Self::TokenExchange(TokenExchange { scopes, .. }) => scopes.join(" "),
            Self::None => String::new(),
        }
    }
}
