//! Every verdict on a token A that is not accepted. The caller sees `invalid_token`; the log says which.

/// Why a token was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidToken {
    /// It is not three base64url parts.
    NotJwt,
    /// It is longer than the longest token that is looked at.
    TooLong,
    /// It is not a `token68` at all.
    NotToken68,
    /// It is encrypted (JWE): it was made for somebody who has the key.
    Encrypted,
    /// Its header is not a JSON object with an `alg`, or has a member twice.
    MalformedHeader,
    /// Its payload is not a JSON object, or has a member twice.
    MalformedClaims,
    /// A claim is missing or of the wrong type.
    Claim(&'static str),
    /// Its header has `crit`: an extension that must be understood, and none is.
    CriticalHeader,
    /// Its header names no key.
    NoKeyId,
    /// Its algorithm is not on the list, or does not fit the key.
    Algorithm,
    /// Its key is not among those of the identity provider.
    UnknownKey,
    /// Its key signs for other issuers than the one that it names.
    ForeignKey,
    /// Its signature is wrong.
    Signature,
    /// It comes from another issuer; which.
    Issuer(Box<str>),
    /// It was issued for another audience; the first that it names.
    Audience(Box<str>),
    /// It names no audience, as it is with Keycloak where no mapper adds one.
    NoAudience,
    /// It was issued for Microsoft Graph.
    GraphAudience,
    /// It is for a user of another tenant; which.
    Tenant(Box<str>),
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is an ID token, or something else that grants no access.
    NotAccessToken,
    /// It is good only together with a proof that its sender has some key.
    SenderConstrained,
}

impl InvalidToken {
    /// The verdict as a log line says it; never a part of the token.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotJwt => "token is not a signed JWT of three parts",
            Self::TooLong => "token is longer than 32768 bytes",
            Self::NotToken68 => "token has characters that no bearer token may have",
            Self::Encrypted => "token is encrypted (JWE); the client asked for a token of another API",
            Self::MalformedHeader => "token header is not a JSON object with alg, or repeats a member",
            Self::MalformedClaims => "token payload is not a JSON object, or repeats a member",
            Self::Claim(name) => claim_reason(name),
            Self::CriticalHeader => "token header has crit extensions, of which none is supported",
            Self::NoKeyId => "token header names no key (kid)",
            Self::Algorithm => "token algorithm is not accepted",
            Self::UnknownKey => "token was signed with a key that is not among those loaded from the identity provider",
            Self::ForeignKey => {
                "token was signed with a key that the identity provider publishes for another issuer (iss)"
            }
            Self::Signature => "token signature is wrong",
            Self::Issuer(_) => "token comes from another issuer (iss)",
            Self::Audience(_) => "token was issued for another audience (aud)",
            Self::NoAudience => {
                "token has no audience (aud); the identity provider must add this API to it (Keycloak: an audience mapper)"
            }
            Self::GraphAudience => {
                "token was issued for Microsoft Graph; the client must ask for a token of this API (aud)"
            }
            Self::Tenant(_) => "token is for another tenant (tid)",
            Self::Expired => "token has expired (exp)",
            Self::NotYetValid => "token is not valid yet (nbf)",
            Self::NotAccessToken => {
                "token grants no access: an ID, refresh or logout token, or without scopes and client"
            }
            Self::SenderConstrained => "token is bound to a key of its sender (cnf), which is not proven to the proxy",
        }
    }
}

impl InvalidToken {
    /// What was found in place of what is accepted, cut to a length that fits a log line. Nobody has vouched for it.
    pub fn found(&self) -> Option<&str> {
        let (Self::Issuer(found) | Self::Audience(found) | Self::Tenant(found)) = self else { return None };
        Some(found.char_indices().nth(MAX_FOUND).map_or(found, |(at, _)| found.get(..at).unwrap_or_default()))
    }
}

/// As much of a claim is logged, in characters.
const MAX_FOUND: usize = 128;

fn claim_reason(name: &str) -> &'static str {
    match name {
        "aud" => "token claim aud is missing or of the wrong type",
        "iss" => "token claim iss is missing or of the wrong type",
        "exp" => "token claim exp is missing or of the wrong type",
        "nbf" => "token claim nbf is of the wrong type",
        "tid" => "token claim tid is missing or of the wrong type",
        "sub" => "token claim sub is missing or of the wrong type",
        "oid" => "token claims oid and sub are missing or of the wrong type",
        _ => "a token claim is of the wrong type",
    }
}
