//! Access tokens of Microsoft Entra ID, v1 and v2.

use serde_json::{Map, Value};

use super::{Claims, Kind, has_id_token_claims, one_or_many, seconds, text, words};
use crate::caller::invalid::InvalidToken;

/// Reads the claims: `tid` is required, the subject is `oid` (`sub` where there is none), the client is `azp` (v2) or
/// `appid` (v1).
pub(super) fn read(object: &Map<String, Value>) -> Result<Claims, InvalidToken> {
    let scopes = words(&text(object, "scp")?.unwrap_or_default());
    let client = match text(object, "azp")? {
        Some(azp) => Some(azp),
        None => text(object, "appid")?,
    };
    let subject = match text(object, "oid")? {
        Some(oid) => oid,
        None => text(object, "sub")?.ok_or(InvalidToken::Claim("oid"))?,
    };
    Ok(Claims {
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
        handles_claims_challenges: has_capability(object, "cp1"),
    })
}

/// Whether `xms_cc`, a list or one text, has this capability in any case. A value of another type declares nothing; it
/// is no reason to refuse a token.
fn has_capability(object: &Map<String, Value>, name: &str) -> bool {
    let declared = one_or_many(object, "xms_cc").ok().flatten().unwrap_or_default();
    declared.iter().any(|capability| capability.eq_ignore_ascii_case(name))
}

/// A user's access token has scopes; an app-only one says so, or at least names its client and has the client's own
/// object as `sub` as well. A user's `sub` differs from `oid`: a user's token without scopes is nobody's, and an ID
/// token names no client, or carries what only ID tokens carry.
fn kind(object: &Map<String, Value>, scopes: &[Box<str>], client: Option<&str>) -> Result<Kind, InvalidToken> {
    Ok(match text(object, "idtyp")?.as_deref() {
        Some("app") => Kind::App,
        _ if !scopes.is_empty() => Kind::User,
        _ if client.is_some() && is_own_subject(object) && !has_id_token_claims(object) => Kind::App,
        _ => Kind::Neither,
    })
}

fn is_own_subject(object: &Map<String, Value>) -> bool {
    object.get("oid").is_some_and(|oid| object.get("sub") == Some(oid))
}

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
        read(object.as_object().unwrap())
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
        assert_eq!(kind_of(&json!({"scp": null, "sub": "o", "roles": ["r"]})), Kind::App);
        assert_eq!(kind_of(&json!({"scp": " ", "sub": "o"})), Kind::App);
        for sub in [json!("pairwise"), Value::Null] {
            assert_eq!(kind_of(&json!({"scp": null, "sub": sub, "roles": ["r"]})), Kind::Neither, "a user's");
        }
        assert_eq!(kind_of(&json!({"scp": null, "sub": "o", "azp": null, "roles": ["r"]})), Kind::Neither);
        assert_eq!(kind_of(&json!({"scp": null, "sub": "o", "nonce": "n"})), Kind::Neither);
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

    #[test]
    fn a_client_that_declares_cp1_handles_claims_challenges() {
        for (declared, expected) in [
            (json!(["cp1"]), true),
            (json!(["protapp", "CP1"]), true),
            (json!("cp1"), true),
            (json!("Cp1"), true),
            (Value::Null, false),
            (json!([]), false),
            (json!(["cp10", "cp"]), false),
            (json!("cp1 protapp"), false),
            (json!(["cp1", 1]), false),
            (json!({"cp1": true}), false),
            (json!(1), false),
        ] {
            assert_eq!(
                claims(&json!({ "xms_cc": declared })).unwrap().handles_claims_challenges,
                expected,
                "{declared}"
            );
        }
    }
}
