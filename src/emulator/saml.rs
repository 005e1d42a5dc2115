//! SAML assertions as token B: unsigned, but of the shape and encoding that Entra gives them. They are read as they are
//! written, by one template.

use std::time::UNIX_EPOCH;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use uuid::Uuid;

use super::{
    clock::{unix_now, xml_timestamp},
    jwt::base64url,
    markup::{escaped, unescaped},
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
        // Entra asks for `spn:` before an entity id that is no URI, and leaves it out of the assertion.
        let audience = resource.strip_prefix("spn:").unwrap_or(resource);
        let id = format!("_{}", Uuid::new_v4());
        let xml = match self {
            Self::Saml1 => fill(&SAML1_TEMPLATE, &[&id, &from, issuer, &from, &until, audience, &from, user]),
            Self::Saml2 => fill(&SAML2_TEMPLATE, &[&id, &from, issuer, user, &from, &until, audience]),
        };
        base64url(xml.as_bytes())
    }
}

/// An assertion of version 2.0, read but for its signature, as it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assertion {
    pub(super) issuer: String,
    pub(super) user: String,
    pub(super) audience: String,
    not_before: i64,
    not_on_or_after: i64,
}

impl Assertion {
    /// Reads an assertion in base64url, if the emulator could have written it.
    pub(super) fn read(encoded: &str) -> Option<Self> {
        let values: [String; 7] = values(&SAML2_TEMPLATE, &decoded(encoded)?)?.try_into().ok()?;
        let [_, _, issuer, user, from, until, audience] = values;
        Some(Self { issuer, user, audience, not_before: seconds(&from)?, not_on_or_after: seconds(&until)? })
    }

    /// Whether it is good now.
    pub(super) fn is_valid(&self) -> bool {
        let now = unix_now();
        self.not_before <= now && now < self.not_on_or_after
    }
}

/// Whether this is any SAML assertion in base64.
pub(super) fn is_assertion(text: &str) -> bool {
    decoded(text).is_some_and(|xml| xml.starts_with('<') && xml.contains("Assertion"))
}

/// The text behind base64 of either alphabet with or without padding.
fn decoded(encoded: &str) -> Option<String> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let standard = encoded.trim().replace('-', "+").replace('_', "/");
    String::from_utf8(GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(standard).ok()?).ok()
}

/// The pieces of a template with a value after each but the last.
fn fill(template: &[&str], values: &[&str]) -> String {
    let values = values.iter().map(|value| escaped(value)).chain([String::new()]);
    template.iter().zip(values).flat_map(|(piece, value)| [(*piece).to_owned(), value]).collect()
}

/// The values in a text of this template.
fn values(template: &[&str], text: &str) -> Option<Vec<String>> {
    let (first, pieces) = template.split_first()?;
    let mut rest = text.strip_prefix(first)?;
    let mut values = Vec::new();
    for piece in pieces {
        let (value, after) = rest.split_once(piece)?;
        values.push(unescaped(value)?);
        rest = after;
    }
    rest.is_empty().then_some(values)
}

fn seconds(timestamp: &str) -> Option<i64> {
    let time = humantime::parse_rfc3339(timestamp).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(time.as_secs()).ok()
}

const SAML1: &str = "urn:ietf:params:oauth:token-type:saml1";
const SAML2: &str = "urn:ietf:params:oauth:token-type:saml2";

/// Id, moment of issue, issuer, first and last moment, audience, moment of sign-in, user.
const SAML1_TEMPLATE: [&str; 9] = [
    r#"<Assertion xmlns="urn:oasis:names:tc:SAML:1.0:assertion" MajorVersion="1" MinorVersion="1" AssertionID=""#,
    r#"" IssueInstant=""#,
    r#"" Issuer=""#,
    r#""><Conditions NotBefore=""#,
    r#"" NotOnOrAfter=""#,
    r#""><AudienceRestrictionCondition><Audience>"#,
    r#"</Audience></AudienceRestrictionCondition></Conditions><AuthenticationStatement AuthenticationInstant=""#,
    r#"" AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:unspecified"><Subject><NameIdentifier>"#,
    r"</NameIdentifier></Subject></AuthenticationStatement></Assertion>",
];

/// Id, moment of issue, issuer, user, first and last moment, audience.
const SAML2_TEMPLATE: [&str; 8] = [
    r#"<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" Version="2.0" ID=""#,
    r#"" IssueInstant=""#,
    r#""><Issuer>"#,
    r"</Issuer><Subject><NameID>",
    r#"</NameID></Subject><Conditions NotBefore=""#,
    r#"" NotOnOrAfter=""#,
    r#""><AudienceRestriction><Audience>"#,
    r"</Audience></AudienceRestriction></Conditions></Assertion>",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let encoded = SamlVersion::Saml2.assertion("https://idp.example/?a&b", "<carol>", "spn:testapp", 60);
        let assertion = Assertion::read(&encoded).unwrap();
        assert_eq!((assertion.issuer.as_str(), assertion.user.as_str()), ("https://idp.example/?a&b", "<carol>"));
        assert!(assertion.audience == "testapp" && assertion.is_valid());
    }

    #[test]
    fn reads_nothing_else() {
        let encoded = SamlVersion::Saml2.assertion("i", "u", "a", 60);
        let xml = decoded(&encoded).unwrap();
        let others = [
            SamlVersion::Saml1.assertion("i", "u", "a", 60),
            base64url(format!("{xml}<!-- more -->").as_bytes()),
            base64url(xml.replace("<NameID>u", "<NameID>u<x/>").as_bytes()),
            base64url(xml.replace("NotBefore=\"", "NotBefore=\"x").as_bytes()),
            xml,
        ];
        for other in others {
            assert_eq!(Assertion::read(&other), None, "{other}");
        }
    }

    #[test]
    fn expired_assertion_is_not_valid() {
        let encoded = SamlVersion::Saml2.assertion("i", "u", "a", 0);
        assert!(!Assertion::read(&encoded).unwrap().is_valid());
    }

    #[test]
    fn recognises_both_versions_in_base64() {
        for version in [SamlVersion::Saml1, SamlVersion::Saml2] {
            assert!(is_assertion(&version.assertion("i", "u", "a", 60)));
        }
        assert!(!is_assertion("PGh0bWw-") && !is_assertion("<Assertion>"));
    }
}
