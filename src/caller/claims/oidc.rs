//! Access tokens of `OpenID` providers: RFC 9068, and what Keycloak, Okta and Auth0 make of it.

use serde_json::{Map, Value};

use super::{Claims, Kind, has_id_token_claims, one_or_many, seconds, text, words};
use crate::caller::invalid::InvalidToken;

/// Reads the claims: the subject is `sub`, the client is `client_id`, `azp` or `cid`, scopes are in `scope` or `scp`,
/// roles in `roles` and `realm_access`.
pub(super) fn read(header: &Map<String, Value>, object: &Map<String, Value>) -> Result<Claims, InvalidToken> {
    if object.contains_key("cnf") {
        return Err(InvalidToken::SenderConstrained);
    }
    let subject = text(object, "sub")?.ok_or(InvalidToken::Claim("sub"))?;
    let client = first_of(object, ["client_id", "azp", "cid"])?;
    let scopes = scopes(object)?;
    let is_app = is_app(object, &subject, client.as_deref())?;
    let grants_access = grants_access(header, object, is_app || !scopes.is_empty())?;
    Ok(Claims {
        issuer: text(object, "iss")?.ok_or(InvalidToken::Claim("iss"))?,
        audiences: one_or_many(object, "aud")?.ok_or(InvalidToken::NoAudience)?,
        tenant_id: "".into(),
        subject,
        expires: seconds(object, "exp")?.ok_or(InvalidToken::Claim("exp"))?,
        not_before: seconds(object, "nbf")?,
        scopes,
        roles: roles(object)?,
        client,
        kind: match (grants_access, is_app) {
            (false, _) => Kind::Neither,
            (true, true) => Kind::App,
            (true, false) => Kind::User,
        },
        handles_claims_challenges: false,
    })
}

/// Whether this is an access token. One that says so by the type in its header (RFC 9068 section 2.1) or by that of
/// Keycloak among its claims is; one that says that it is something else is not. Any other must have what access tokens
/// have and nothing that ID and logout tokens have.
fn grants_access(
    header: &Map<String, Value>,
    object: &Map<String, Value>,
    has_grant: bool,
) -> Result<bool, InvalidToken> {
    let by_header = match header.get("typ").map(Value::as_str) {
        None => false,
        Some(Some(name)) if name.eq_ignore_ascii_case("JWT") => false,
        Some(Some(name)) if is_access_token_type(name) => true,
        Some(_) => return Ok(false),
    };
    let by_claim = match text(object, "typ")?.as_deref() {
        None => false,
        Some(name) if name.eq_ignore_ascii_case("Bearer") => true,
        Some(_) => return Ok(false),
    };
    let names_client = ["client_id", "cid"].iter().any(|name| object.contains_key(*name));
    let is_other = has_id_token_claims(object) || object.contains_key("events");
    Ok(by_header || by_claim || (!is_other && (has_grant || names_client)))
}

fn is_access_token_type(name: &str) -> bool {
    ["at+jwt", "application/at+jwt"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the token stands for its client alone: it says so (`idtyp`; `gty` of Auth0), its subject is the client (RFC
/// 9068 section 2.2; `…@clients` of Auth0), or it has what Keycloak tells of the host of a service account.
fn is_app(object: &Map<String, Value>, subject: &str, client: Option<&str>) -> Result<bool, InvalidToken> {
    let says_so = text(object, "idtyp")?.as_deref() == Some("app")
        || one_or_many(object, "gty")?.unwrap_or_default().iter().any(|grant| **grant == *"client-credentials");
    let is_client = client.is_some_and(|client| subject.strip_suffix("@clients").unwrap_or(subject) == client);
    let has = |names: [&str; 2]| names.iter().any(|name| object.contains_key(*name));
    let is_service_account = has(["client_id", "clientId"]) && has(["clientHost", "clientAddress"]);
    Ok(says_so || is_client || is_service_account)
}

/// `scope` is text (RFC 9068 section 2.2.3); `scp` is a list at Okta.
fn scopes(object: &Map<String, Value>) -> Result<Vec<Box<str>>, InvalidToken> {
    match text(object, "scope")? {
        Some(scope) => Ok(words(&scope)),
        None => Ok(one_or_many(object, "scp")?.unwrap_or_default().iter().flat_map(|scope| words(scope)).collect()),
    }
}

/// The roles of RFC 9068 section 2.2.3.1, and those of the realm at Keycloak.
fn roles(object: &Map<String, Value>) -> Result<Vec<Box<str>>, InvalidToken> {
    let mut roles = one_or_many(object, "roles")?.unwrap_or_default();
    match object.get("realm_access") {
        None => {}
        Some(Value::Object(realm)) => roles.extend(one_or_many(realm, "roles")?.unwrap_or_default()),
        Some(_) => return Err(InvalidToken::Claim("realm_access")),
    }
    Ok(roles)
}

fn first_of<const N: usize>(
    object: &Map<String, Value>,
    names: [&'static str; N],
) -> Result<Option<Box<str>>, InvalidToken> {
    for name in names {
        if let Some(found) = text(object, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_typed(header: &Value, change: &Value) -> Result<Claims, InvalidToken> {
        let mut object = json!({"iss": "i", "aud": "a", "sub": "s", "exp": 10, "scope": "x y", "azp": "c"});
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Null => object.as_object_mut().unwrap().remove(name),
                _ => object.as_object_mut().unwrap().insert(name.clone(), value.clone()),
            };
        }
        super::read(header.as_object().unwrap(), object.as_object().unwrap())
    }

    fn read(change: &Value) -> Result<Claims, InvalidToken> {
        read_typed(&json!({"typ": "JWT"}), change)
    }

    fn kind(change: &Value) -> Kind {
        read(change).unwrap().kind
    }

    #[test]
    fn the_client_has_three_names() {
        let client = |change: Value| read(&change).unwrap().client;
        assert_eq!(client(json!({})).as_deref(), Some("c"));
        assert_eq!(client(json!({"client_id": "d", "cid": "e"})).as_deref(), Some("d"));
        assert_eq!(client(json!({"azp": null, "cid": "e"})).as_deref(), Some("e"));
        assert_eq!(client(json!({"azp": null})), None);
    }

    #[test]
    fn scopes_are_text_or_a_list() {
        for change in [
            json!({}),
            json!({"scope": null, "scp": "x y"}),
            json!({"scope": null, "scp": ["x", "y"]}),
            json!({"scope": "x y", "scp": ["z"]}),
        ] {
            assert_eq!(read(&change).unwrap().scopes, ["x".into(), "y".into()], "{change}");
        }
    }

    #[test]
    fn roles_are_those_of_the_token_and_of_the_realm() {
        let claims = read(&json!({"roles": ["a"], "realm_access": {"roles": ["b", "c"]}})).unwrap();
        assert_eq!(claims.roles, ["a".into(), "b".into(), "c".into()]);
        assert!(read(&json!({"realm_access": {}})).unwrap().roles.is_empty());
    }

    #[test]
    fn a_user_is_told_from_an_application() {
        assert_eq!(kind(&json!({})), Kind::User);
        assert_eq!(kind(&json!({"gty": "password"})), Kind::User);
        for change in [
            json!({"sub": "c"}),
            json!({"sub": "c", "client_id": "c", "azp": null}),
            json!({"sub": "c", "cid": "c", "azp": null}),
            json!({"sub": "c@clients"}),
            json!({"gty": "client-credentials"}),
            json!({"idtyp": "app"}),
            json!({"client_id": "c", "clientHost": "10.0.0.1"}),
            json!({"clientId": "c", "clientAddress": "10.0.0.1"}),
            json!({"sub": "c", "scope": null}),
        ] {
            assert_eq!(kind(&change), Kind::App, "{change}");
        }
    }

    #[test]
    fn what_grants_no_access_is_neither() {
        for change in [
            json!({"typ": "ID"}),
            json!({"typ": "Refresh"}),
            json!({"typ": "Offline"}),
            json!({"typ": "Logout"}),
            json!({"nonce": "n"}),
            json!({"at_hash": "h"}),
            json!({"c_hash": "h"}),
            json!({"events": {}}),
            json!({"scope": null}),
            json!({"scope": null, "azp": null}),
        ] {
            assert_eq!(kind(&change), Kind::Neither, "{change}");
        }
        for typ in [json!("id+jwt"), json!("logout+jwt"), json!("token-introspection+jwt"), json!("dpop+jwt"), json!(1)]
        {
            assert_eq!(read_typed(&json!({ "typ": typ }), &json!({})).unwrap().kind, Kind::Neither, "{typ}");
        }
    }

    #[test]
    fn what_says_that_it_is_an_access_token_needs_no_scope() {
        for (header, change) in [
            (json!({"typ": "at+jwt"}), json!({"scope": null, "nonce": "n"})),
            (json!({"typ": "application/AT+JWT"}), json!({"scope": null})),
            (json!({"typ": "JWT"}), json!({"scope": null, "typ": "Bearer", "nonce": "n"})),
            (json!({}), json!({"scope": null, "cid": "c"})),
            (json!({}), json!({})),
        ] {
            assert_eq!(read_typed(&header, &change).unwrap().kind, Kind::User, "{header} {change}");
        }
    }

    #[test]
    fn refuses_missing_claims_and_wrong_types() {
        use InvalidToken as Bad;
        for (change, verdict) in [
            (json!({"aud": null}), Bad::NoAudience),
            (json!({"aud": 1}), Bad::Claim("aud")),
            (json!({"iss": null}), Bad::Claim("iss")),
            (json!({"sub": null}), Bad::Claim("sub")),
            (json!({"sub": 1}), Bad::Claim("sub")),
            (json!({"exp": null}), Bad::Claim("exp")),
            (json!({"scope": ["x"]}), Bad::Claim("scope")),
            (json!({"scope": null, "scp": [1]}), Bad::Claim("scp")),
            (json!({"client_id": 1}), Bad::Claim("client_id")),
            (json!({"typ": 1}), Bad::Claim("typ")),
            (json!({"gty": 1}), Bad::Claim("gty")),
            (json!({"realm_access": []}), Bad::Claim("realm_access")),
            (json!({"realm_access": {"roles": [1]}}), Bad::Claim("roles")),
            (json!({"cnf": {"jkt": "x"}}), Bad::SenderConstrained),
        ] {
            assert_eq!(read(&change).unwrap_err(), verdict, "{change}");
        }
    }

    #[test]
    fn claims_of_entra_mean_nothing_here() {
        let claims = read(&json!({"tid": 1, "oid": 1, "appid": 1, "xms_cc": 1})).unwrap();
        assert_eq!((&*claims.tenant_id, &*claims.subject), ("", "s"));
    }
}
