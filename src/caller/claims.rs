//! The claims that decide anything, in their types. A claim of the wrong type is a refusal, never a default.

use serde_json::{Map, Value};

use super::invalid::InvalidToken;

/// The claims of a token A (Entra v1 and v2 access tokens, RFC 9068 where they agree).
#[derive(Debug, Clone)]
pub(super) struct Claims {
    pub(super) issuer: Box<str>,
    pub(super) audiences: Vec<Box<str>>,
    pub(super) tenant_id: Box<str>,
    /// `oid`, or `sub` where there is none.
    pub(super) subject: Box<str>,
    /// Seconds since 1970.
    pub(super) expires: u64,
    /// Seconds since 1970.
    pub(super) not_before: Option<u64>,
    pub(super) scopes: Vec<Box<str>>,
    pub(super) roles: Vec<Box<str>>,
    /// `azp` (v2) or `appid` (v1).
    pub(super) client: Option<Box<str>>,
    pub(super) kind: Kind,
}

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A user, by way of a client.
    User,
    /// A client on its own.
    App,
    /// Nothing that grants access.
    Neither,
}

impl Claims {
    /// Reads the claims.
    pub(super) fn read(object: &Map<String, Value>) -> Result<Self, InvalidToken> {
        let scopes = words(object, "scp")?;
        let client = match text(object, "azp")? {
            Some(azp) => Some(azp),
            None => text(object, "appid")?,
        };
        let subject = match text(object, "oid")? {
            Some(oid) => oid,
            None => text(object, "sub")?.ok_or(InvalidToken::Claim("oid"))?,
        };
        Ok(Self {
            issuer: text(object, "iss")?.ok_or(InvalidToken::Claim("iss"))?,
            audiences: one_or_many(object, "aud")?.ok_or(InvalidToken::Claim("aud"))?,
            tenant_id: text(object, "tid")?.ok_or(InvalidToken::Claim("tid"))?,
            subject,
            expires: seconds(object, "exp")?.ok_or(InvalidToken::Claim("exp"))?,
            not_before: seconds(object, "nbf")?,
            kind: kind(object, &scopes, client.as_deref())?,
            scopes,
            roles: one_or_many(object, "roles")?.unwrap_or_default(),
            client,
        })
    }
}

/// A user's access token has scopes; an app-only one says so or at least names its client; an ID token has neither, or
/// carries what only ID tokens carry (`OpenID` Connect Core sections 2 and 3.3.2.11).
fn kind(object: &Map<String, Value>, scopes: &[Box<str>], client: Option<&str>) -> Result<Kind, InvalidToken> {
    let id_token = ["nonce", "at_hash", "c_hash"].iter().any(|name| object.contains_key(*name));
    Ok(match text(object, "idtyp")?.as_deref() {
        Some("app") => Kind::App,
        _ if !scopes.is_empty() => Kind::User,
        _ if client.is_some() && !id_token => Kind::App,
        _ => Kind::Neither,
    })
}

fn text(object: &Map<String, Value>, name: &'static str) -> Result<Option<Box<str>>, InvalidToken> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str().into())),
        Some(_) => Err(InvalidToken::Claim(name)),
    }
}

fn words(object: &Map<String, Value>, name: &'static str) -> Result<Vec<Box<str>>, InvalidToken> {
    let text = text(object, name)?.unwrap_or_default();
    Ok(text.split_ascii_whitespace().map(Into::into).collect())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(change: &Value) -> Result<Claims, InvalidToken> {
        let mut object = json!({"iss": "i", "aud": "a", "tid": "t", "oid": "o", "exp": 10, "scp": "x y", "azp": "c"});
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => object.as_object_mut().unwrap().remove(name),
                _ => object.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        Claims::read(object.as_object().unwrap())
    }

    fn kind_of(change: &Value) -> Kind {
        claims(change).unwrap().kind
    }

    #[test]
    fn reads_v1_and_v2_claims() {
        let v2 = claims(&json!({"roles": ["r"], "nbf": 1.9})).unwrap();
        assert_eq!((v2.scopes.len(), v2.client.as_deref(), v2.not_before), (2, Some("c"), Some(1)));
        let v1 = claims(&json!({"azp": null, "appid": "d", "oid": null, "sub": "s", "aud": ["a", "b"]})).unwrap();
        assert_eq!((v1.client.as_deref(), &*v1.subject, v1.audiences.len()), (Some("d"), "s", 2));
    }

    #[test]
    fn tells_users_apps_and_id_tokens_apart() {
        assert_eq!(kind_of(&json!({})), Kind::User);
        assert_eq!(kind_of(&json!({"idtyp": "user", "roles": ["r"]})), Kind::User);
        assert_eq!(kind_of(&json!({"idtyp": "app"})), Kind::App);
        assert_eq!(kind_of(&json!({"scp": null, "roles": ["r"]})), Kind::App);
        assert_eq!(kind_of(&json!({"scp": " "})), Kind::App);
        assert_eq!(kind_of(&json!({"scp": null, "azp": null, "roles": ["r"]})), Kind::Neither);
        assert_eq!(kind_of(&json!({"scp": null, "nonce": "n"})), Kind::Neither);
    }

    #[test]
    fn refuses_missing_claims_and_wrong_types() {
        for (change, name) in [
            (json!({"iss": null}), "iss"),
            (json!({"iss": 1}), "iss"),
            (json!({"aud": null}), "aud"),
            (json!({"aud": ["a", 1]}), "aud"),
            (json!({"tid": null}), "tid"),
            (json!({"oid": null}), "oid"),
            (json!({"exp": null}), "exp"),
            (json!({"exp": "10"}), "exp"),
            (json!({"exp": -1}), "exp"),
            (json!({"exp": 1e300}), "exp"),
            (json!({"exp": u64::MAX}), "exp"),
            (json!({"nbf": true}), "nbf"),
            (json!({"scp": ["x"]}), "scp"),
            (json!({"roles": {"r": 1}}), "roles"),
            (json!({"idtyp": 1}), "idtyp"),
        ] {
            assert_eq!(claims(&change).unwrap_err(), InvalidToken::Claim(name), "{change}");
        }
    }
}
