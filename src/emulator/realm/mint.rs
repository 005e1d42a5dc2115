//! Tokens of a realm: claims as RFC 9068 and Keycloak have them, and none of Entra's.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::issuer;
use crate::emulator::{
    authority::Authority,
    clock::unix_now,
    mint::{DEFAULT_CALLER_CLIENT_ID, DEFAULT_USER_OID, members, one_or_many},
    signer::Signer,
    user::DEFAULT_ACCOUNT,
};

/// The wishes for a realm's token. Every field left out takes a default that makes a good token.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RealmTokenRequest {
    /// The realm. Default: `sample`.
    pub realm: String,
    /// `aud`, a list where there is more than one. Default: the emulator's client id.
    #[serde(deserialize_with = "one_or_many")]
    pub aud: Vec<String>,
    /// `sub`, the user. Default: [`DEFAULT_USER_OID`].
    pub sub: Option<String>,
    /// `azp`, the calling application. Default: [`DEFAULT_CALLER_CLIENT_ID`].
    pub azp: Option<String>,
    /// `scope`, separated by spaces. Default: `access_as_user`.
    pub scope: Option<String>,
    /// `typ` of the header; `at+jwt` adds the claim `client_id`. Default: `JWT`.
    pub typ: Option<String>,
    /// Seconds until `exp`; negative for a token that has expired. Default: 300.
    pub lifetime: Option<i64>,
    /// Claims put over all others.
    pub claims: Map<String, Value>,
    /// Claims to leave out, applied last.
    #[serde(deserialize_with = "one_or_many")]
    pub remove: Vec<String>,
    /// Header members put over the usual ones.
    pub header: Map<String, Value>,
}

impl Default for RealmTokenRequest {
    fn default() -> Self {
        Self {
            realm: "sample".to_owned(),
            aud: Vec::new(),
            sub: None,
            azp: None,
            scope: None,
            typ: None,
            lifetime: None,
            claims: Map::new(),
            remove: Vec::new(),
            header: Map::new(),
        }
    }
}

impl RealmTokenRequest {
    /// Seconds until the token expires.
    pub(in crate::emulator) fn lifetime(&self) -> i64 {
        self.lifetime.unwrap_or(DEFAULT_LIFETIME)
    }

    fn claims(&self, authority: &Authority) -> Map<String, Value> {
        let now = unix_now();
        let expiry = now.saturating_add(self.lifetime());
        // A token that has expired was issued before it did.
        let issued = if expiry < now { expiry.saturating_sub(DEFAULT_LIFETIME) } else { now };
        let azp = self.azp.as_deref().unwrap_or(DEFAULT_CALLER_CLIENT_ID);
        let mut claims = members(json!({
            "iss": issuer(authority, &self.realm), "aud": self.audience(&authority.options.client_id), "iat": issued,
            "exp": expiry, "jti": Uuid::new_v4().to_string(), "typ": "Bearer", "azp": azp,
            "sub": self.sub.as_deref().unwrap_or(DEFAULT_USER_OID), "preferred_username": DEFAULT_ACCOUNT,
            "scope": self.scope.as_deref().unwrap_or("access_as_user"),
        }));
        claims.extend((self.typ.as_deref() == Some("at+jwt")).then(|| ("client_id".to_owned(), azp.into())));
        claims.extend(self.claims.clone());
        claims.retain(|name, _| !self.remove.contains(name));
        claims
    }

    fn audience(&self, client_id: &str) -> Value {
        match self.aud.as_slice() {
            [] => client_id.into(),
            [one] => one.as_str().into(),
            several => several.into(),
        }
    }

    fn header(&self, algorithm: &str, kid: &str) -> Map<String, Value> {
        let typ = self.typ.as_deref().unwrap_or("JWT");
        let mut header = members(json!({"typ": typ, "alg": algorithm, "kid": kid}));
        header.extend(self.header.clone());
        header
    }
}

/// A realm's token, signed in the given way.
pub(in crate::emulator) fn mint(authority: &Authority, request: &RealmTokenRequest, signer: Signer) -> String {
    let key = authority.realm.keys().lock().current();
    let header = Value::Object(request.header(signer.algorithm(), key.kid()));
    signer.sign(&header.to_string(), &Value::Object(request.claims(authority)).to_string(), &key)
}

/// Seconds that a token lives if its request does not say.
const DEFAULT_LIFETIME: i64 = 300;
