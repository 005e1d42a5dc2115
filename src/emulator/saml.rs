//! SAML assertions as token B: unsigned, but of the shape and encoding that Entra gives them.

use uuid::Uuid;

use super::{
    clock::{unix_now, xml_timestamp},
    jwt::base64url,
    markup::escaped,
};

/// The kinds of SAML assertion that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SamlVersion {
    Saml1,
    Saml2,
}

impl SamlVersion {
    /// Reads the parameter `requested_token_type`.
    pub(super) fn parse(token_type: &str) -> Option<Self> {
        match token_type {
            SAML1 => Some(Self::Saml1),
            SAML2 => Some(Self::Saml2),
            _ => None,
        }
    }

    /// The value of `issued_token_type`.
    pub(super) fn token_type(self) -> &'static str {
        match self {
            Self::Saml1 => SAML1,
            Self::Saml2 => SAML2,
        }
    }

    /// An assertion about a user, in base64url.
    pub(super) fn assertion(self, issuer: &str, user: &str, resource: &str, lifetime: i64) -> String {
        let now = unix_now();
        let (from, until) = (xml_timestamp(now), xml_timestamp(now.saturating_add(lifetime)));
        let (issuer, user) = (escaped(issuer), escaped(user));
        // Entra asks for `spn:` before an entity id that is no URI, and leaves it out of the assertion.
        let audience = escaped(resource.strip_prefix("spn:").unwrap_or(resource));
        let id = Uuid::new_v4();
        let xml = match self {
            Self::Saml1 => format!(
                r#"<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion" MajorVersion="1" MinorVersion="1" AssertionID="_{id}" IssueInstant="{from}" Issuer="{issuer}"><Conditions NotBefore="{from}" NotOnOrAfter="{until}"><AudienceRestrictionCondition><Audience>{audience}</Audience></AudienceRestrictionCondition></Conditions><AuthenticationStatement AuthenticationInstant="{from}" AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:unspecified"><Subject><NameIdentifier>{user}</NameIdentifier></Subject></AuthenticationStatement></Assertion>"#
            ),
            Self::Saml2 => format!(
                r#"<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" Version="2.0" ID="_{id}" IssueInstant="{from}"><Issuer>{issuer}</Issuer><Subject><NameID>{user}</NameID></Subject><Conditions NotBefore="{from}" NotOnOrAfter="{until}"><AudienceRestriction><Audience>{audience}</Audience></AudienceRestriction></Conditions></Assertion>"#
            ),
        };
        base64url(xml.as_bytes())
    }
}

const SAML1: &str = "urn:ietf:params:oauth:token-type:saml1";
const SAML2: &str = "urn:ietf:params:oauth:token-type:saml2";
