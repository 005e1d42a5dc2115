//! Callers' tokens (token A): what can be asked of one, and the header and claims that follow.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::{
    challenge::ClaimsChallenge,
    clock::unix_now,
    user::{DEFAULT_ACCOUNT, DEFAULT_NAME},
};

/// The wishes for a caller's token. Every field left out takes a default that makes a good token.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenRequest {
    /// `tid`, and the tenant of the issuer. Default: the emulator's tenant.
    pub tenant: Option<String>,
    /// `aud`. Default: the emulator's client id.
    pub aud: Option<String>,
    /// `oid`, the user. Default: [`DEFAULT_USER_OID`].
    pub oid: Option<String>,
    /// `sub`. Default: derived from the user and the audience; for an app-only token the `oid`.
    pub sub: Option<String>,
    /// `azp` or, in version 1.0, `appid`: the calling application. Default: [`DEFAULT_CALLER_CLIENT_ID`].
    pub azp: Option<String>,
    /// `scp`, separated by spaces. Default: `access_as_user`.
    pub scp: Option<String>,
    /// `roles`. Default: no such claim.
    #[serde(deserialize_with = "one_or_many")]
    pub roles: Vec<String>,
    /// The format. Default: 2.0.
    pub ver: TokenVersion,
    /// Seconds until `exp`; negative for a token that has expired. Default: 3600.
    pub lifetime: Option<i64>,
    /// Seconds from now until `nbf`. Default: 0.
    pub nbf: Option<i64>,
    /// `acrs`, the authentication contexts that the user satisfied. Default: no such claim.
    #[serde(deserialize_with = "one_or_many")]
    pub acrs: Vec<String>,
    /// `xms_cc`, the capabilities that the caller declared. Default: no such claim.
    #[serde(deserialize_with = "one_or_many")]
    pub xms_cc: Vec<String>,
    /// `idtyp`. Default: no such claim.
    pub idtyp: Option<String>,
    /// A claims challenge that the token shall satisfy: what it demands is added to `acrs`, and, where it is the policy's
    /// own challenge, the authentication context that the policy wants.
    pub claims_challenge: Option<ClaimsChallenge>,
    /// Claims put over all others.
    pub claims: Map<String, Value>,
    /// Claims to leave out, applied last.
    #[serde(deserialize_with = "one_or_many")]
    pub remove: Vec<String>,
    /// Header members put over the usual ones. They do not change how the token is signed.
    pub header: Map<String, Value>,
}

/// The format of an access token, chosen by the resource it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TokenVersion {
    /// Issuer `…/sts/{tenant}/`, application in `appid`.
    #[serde(rename = "1.0")]
    V1,
    /// Issuer `…/{tenant}/v2.0`, application in `azp`.
    #[default]
    #[serde(rename = "2.0")]
    V2,
}

impl TokenRequest {
    /// An application's own token: no user, no `scp`, but a role.
    #[must_use]
    pub fn app_only() -> Self {
        Self {
            idtyp: Some("app".to_owned()),
            oid: Some(DEFAULT_APPLICATION_OID.to_owned()),
            roles: vec!["Orders.Read.All".to_owned()],
            remove: ["scp", "name", "preferred_username", "upn"].map(str::to_owned).to_vec(),
            ..Self::default()
        }
    }

    /// An `id_token`, which is no access token: it has neither `scp` nor an authorised party.
    #[must_use]
    pub fn id_token() -> Self {
        Self { remove: ["scp", "azp", "azpacr", "appid", "appidacr"].map(str::to_owned).to_vec(), ..Self::default() }
    }

    /// The same request for a user of this `oid`.
    #[must_use]
    pub fn user(self, oid: &str) -> Self {
        Self { oid: Some(oid.to_owned()), ..self }
    }

    /// The same request after the user satisfied this authentication context.
    #[must_use]
    pub fn stepped_up(mut self, context: &str) -> Self {
        self.acrs.push(context.to_owned());
        self
    }

    /// Whether the token carries this authentication context in `acrs`.
    pub(super) fn satisfies(&self, context: &str) -> bool {
        let demanded = self.claims_challenge.iter().flat_map(ClaimsChallenge::acrs);
        self.acrs.iter().map(String::as_str).chain(demanded).any(|satisfied| satisfied == context)
    }

    /// The claims of the token.
    pub(super) fn claims(&self, place: &Issuer<'_>) -> Map<String, Value> {
        let mut claims = self.identity_claims(place);
        claims.extend(self.times());
        claims.extend(self.application_claims());
        claims.extend(self.optional_claims());
        claims.extend(self.claims.clone());
        claims.retain(|name, _| !self.remove.contains(name));
        claims
    }

    /// The header of the token, before its algorithm and key are known.
    pub(super) fn header(&self, algorithm: &str, kid: &str) -> Map<String, Value> {
        let mut header = members(json!({"typ": "JWT", "alg": algorithm, "kid": kid, "x5t": kid}));
        header.extend(self.header.clone());
        header
    }

    /// Seconds until the token expires.
    pub(super) fn lifetime(&self) -> i64 {
        self.lifetime.unwrap_or(DEFAULT_LIFETIME)
    }

    /// The user or application the token is about.
    pub(super) fn subject_oid(&self) -> &str {
        self.oid.as_deref().unwrap_or(DEFAULT_USER_OID)
    }

    fn identity_claims(&self, place: &Issuer<'_>) -> Map<String, Value> {
        let tenant = self.tenant.as_deref().unwrap_or(place.tenant);
        let audience = self.aud.as_deref().unwrap_or(place.client_id);
        let oid = self.subject_oid();
        let app_only = self.idtyp.as_deref() == Some("app");
        let sub = self.sub.clone().unwrap_or_else(|| if app_only { oid.to_owned() } else { pairwise(oid, audience) });
        members(json!({
            "aud": audience, "iss": place.issuer(tenant, self.ver), "tid": tenant, "oid": oid, "sub": sub,
            "scp": self.scp.as_deref().unwrap_or("access_as_user"), "uti": place.uti, "ver": self.ver,
        }))
    }

    fn times(&self) -> Map<String, Value> {
        let now = unix_now();
        let expiry = now.saturating_add(self.lifetime());
        // A token that has expired was issued before it did.
        let issued = if expiry < now { expiry.saturating_sub(DEFAULT_LIFETIME) } else { now };
        let not_before = self.nbf.map_or(issued, |offset| now.saturating_add(offset));
        members(json!({"iat": issued, "nbf": not_before, "exp": expiry}))
    }

    fn application_claims(&self) -> Map<String, Value> {
        let application = self.azp.as_deref().unwrap_or(DEFAULT_CALLER_CLIENT_ID);
        let (name, account) = (DEFAULT_NAME, DEFAULT_ACCOUNT);
        members(match self.ver {
            TokenVersion::V1 => json!({"appid": application, "appidacr": "0", "name": name, "upn": account}),
            TokenVersion::V2 => {
                json!({"azp": application, "azpacr": "0", "name": name, "preferred_username": account})
            }
        })
    }

    fn optional_claims(&self) -> Map<String, Value> {
        let demanded = self.claims_challenge.iter().flat_map(ClaimsChallenge::acrs);
        let acrs: Vec<&str> = self.acrs.iter().map(String::as_str).chain(demanded).collect();
        let mut claims = members(json!({"acrs": acrs, "roles": self.roles, "xms_cc": self.xms_cc}));
        claims.retain(|_, list| list.as_array().is_some_and(|list| !list.is_empty()));
        claims.extend(self.idtyp.clone().map(|idtyp| ("idtyp".to_owned(), idtyp.into())));
        claims
    }
}

/// Where a token comes from.
#[derive(Debug)]
pub(super) struct Issuer<'i> {
    /// The provider's address as the outside knows it.
    pub(super) url: &'i str,
    /// The tenant of a token that asks for none.
    pub(super) tenant: &'i str,
    /// The audience of a token that asks for none.
    pub(super) client_id: &'i str,
    /// The `uti` of the token.
    pub(super) uti: String,
}

impl Issuer<'_> {
    fn issuer(&self, tenant: &str, version: TokenVersion) -> String {
        issuer(self.url, tenant, version)
    }
}

/// The issuer of a tenant's tokens of one version.
pub(super) fn issuer(url: &str, tenant: &str, version: TokenVersion) -> String {
    match version {
        TokenVersion::V1 => format!("{url}/sts/{tenant}/"),
        TokenVersion::V2 => format!("{url}/{tenant}/v2.0"),
    }
}

/// A `sub` that differs from audience to audience, as Entra's does.
pub(super) fn pairwise(oid: &str, audience: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{oid}\n{audience}").as_bytes());
    super::jwt::base64url(digest.as_ref())
}

/// The members of a JSON object.
pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Reads a list of strings, or one string that stands for a list of one.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let value = match Value::deserialize(deserializer)? {
        Value::String(text) => return Ok(vec![text]),
        value => value,
    };
    Vec::deserialize(value).map_err(serde::de::Error::custom)
}

/// The user of a token that names none.
pub const DEFAULT_USER_OID: &str = "aaaaaaaa-0000-1111-2222-bbbbbbbbbbbb";

/// The calling application of a token that names none.
pub const DEFAULT_CALLER_CLIENT_ID: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

/// The object that an app-only token is about.
pub const DEFAULT_APPLICATION_OID: &str = "bbbbbbbb-1111-2222-3333-cccccccccccc";

/// Seconds that a token lives if its request does not say.
const DEFAULT_LIFETIME: i64 = 3600;
