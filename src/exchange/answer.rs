//! The answers of token endpoints: a token, or what [`super::refusal`] makes of anything else. Pure and total.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Map, Value};

use super::error::ExchangeError;
use super::refusal::{self, Asked};
use crate::idp::Answer;
use crate::secret::Secret;

/// A token as it was granted.
#[derive(Debug)]
pub(super) struct Granted {
    /// The token itself: visible ASCII.
    pub(super) token: Secret,
    /// `token_type`.
    pub(super) token_type: Box<str>,
    /// `scope`; for people only.
    pub(super) scope: Option<Box<str>>,
    /// How long it lives.
    pub(super) lifetime: Duration,
    /// After how long it should be renewed, if that was said (`refresh_in`).
    pub(super) refresh_in: Option<Duration>,
    /// For the next token, where `offline_access` was asked for.
    pub(super) refresh_token: Option<Secret>,
}

/// What the token must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected<'a> {
    /// A Bearer token, of this `issued_token_type` if one is given here and in the answer.
    Bearer(Option<&'a str>),
    /// A SAML assertion of this `issued_token_type`.
    Saml(&'a str),
}

/// Reads an answer to what was `asked`.
pub(super) fn read(answer: &Answer, asked: Asked, expected: Expected<'_>) -> Result<Granted, ExchangeError> {
    let document = serde_json::from_slice::<Value>(&answer.body).ok();
    let members = document.as_ref().and_then(Value::as_object);
    if answer.status == StatusCode::OK {
        let granted = members.and_then(|members| granted(members, asked, expected));
        return granted.ok_or_else(|| refusal::nonsense(answer.status));
    }
    Err(refusal::read(answer.status, &answer.headers, members, asked))
}

fn granted(members: &Map<String, Value>, asked: Asked, expected: Expected<'_>) -> Option<Granted> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let token_type = text("token_type")?;
    if !fits(token_type, text("issued_token_type"), expected) {
        return None;
    }
    let token = text("access_token").filter(|token| is_visible(token))?;
    let expires_in = members.get("expires_in").map(seconds);
    let lifetime = match expected {
        Expected::Bearer(_) => expires_in.unwrap_or_default(),
        Expected::Saml(_) => assertion_lifetime(expires_in, members.get("expires_on").map(seconds)),
    };
    Some(Granted {
        token: Secret::new(token.to_owned()),
        token_type: token_type.into(),
        scope: text("scope").map(Into::into),
        lifetime,
        refresh_in: members.get("refresh_in").map(seconds).filter(|wait| !wait.is_zero()),
        refresh_token: text("refresh_token")
            .filter(|token| is_visible(token) && is_refreshed(asked, expected))
            .map(|token| Secret::new(token.to_owned())),
    })
}

/// Whether a refresh token brings more of the same. One that came with an assertion brings an access token (article,
/// "Response with SAML assertion"), and the other grants are made anew.
fn is_refreshed(asked: Asked, expected: Expected<'_>) -> bool {
    asked == Asked::OnBehalfOf && matches!(expected, Expected::Bearer(_))
}

/// A token of another type than was asked for is not put into a request. `N_A` stands for a token that is no access
/// token (RFC 8693 section 2.2.1), so it must be of the very type that was asked for.
fn fits(token_type: &str, issued: Option<&str>, expected: Expected<'_>) -> bool {
    let bearer = token_type.eq_ignore_ascii_case("bearer");
    let unnamed = token_type.eq_ignore_ascii_case("n_a");
    match expected {
        Expected::Bearer(None) => bearer,
        Expected::Bearer(Some(asked)) => match issued {
            Some(issued) => issued == asked && (bearer || unnamed),
            None => bearer,
        },
        Expected::Saml(asked) => (bearer || unnamed) && issued.is_none_or(|issued| issued == asked),
    }
}

fn is_visible(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Seconds as a number or, from v1 endpoints, as text. Whatever else it is, the token is used once and not kept.
fn seconds(value: &Value) -> Duration {
    let seconds = match value {
        Value::Number(number) => number.as_f64().unwrap_or(0.0),
        Value::String(text) => text.trim().parse::<u32>().map_or(0.0, f64::from),
        _ => 0.0,
    };
    Duration::try_from_secs_f64(seconds.clamp(0.0, f64::from(u32::MAX))).unwrap_or_default()
}

/// An assertion lives until `expires_on`, seconds since 1970 (article, "Response with SAML assertion").
fn assertion_lifetime(lifetime: Option<Duration>, end: Option<Duration>) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let until = end.map(|end| end.saturating_sub(now));
    match (lifetime, until) {
        (Some(lifetime), Some(until)) => lifetime.min(until),
        (lifetime, until) => lifetime.or(until).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const BEARER: Expected<'_> = Expected::Bearer(None);
    const SAML2: &str = "urn:ietf:params:oauth:token-type:saml2";

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
        }
    }

    fn granted(body: &Value, expected: Expected<'_>) -> Option<Granted> {
        read(&answer(200, &body.to_string()), Asked::OnBehalfOf, expected).ok()
    }

    #[test]
    fn reads_the_success_of_the_article() {
        let body = json!({"token_type": "Bearer", "scope": "s", "expires_in": 3269, "ext_expires_in": 0, "access_token": "eyJ.x"});
        let granted = granted(&body, BEARER).unwrap();
        assert_eq!(granted.token.expose(), "eyJ.x");
        assert_eq!(granted.lifetime, Duration::from_secs(3269));
        assert!(granted.refresh_in.is_none() && granted.refresh_token.is_none());
    }

    #[test]
    fn reads_what_helps_to_renew() {
        let body = json!({"token_type": "Bearer", "expires_in": 86399, "refresh_in": 43199, "access_token": "a", "refresh_token": "1.x"});
        let granted = granted(&body, BEARER).unwrap();
        assert_eq!(granted.refresh_in, Some(Duration::from_secs(43199)));
        assert_eq!(granted.refresh_token.unwrap().expose(), "1.x");
        for refresh_in in [json!(0), json!(-1), json!("x"), json!(null)] {
            let body = json!({"token_type": "Bearer", "expires_in": 1, "refresh_in": refresh_in, "access_token": "a"});
            assert_eq!(super::tests::granted(&body, BEARER).unwrap().refresh_in, None);
        }
    }

    #[test]
    fn a_refresh_token_is_kept_only_where_it_brings_more_of_the_same() {
        let body = json!({"token_type": "Bearer", "expires_in": 60, "access_token": "a", "refresh_token": "1.x"});
        let kept =
            |asked, expected| read(&answer(200, &body.to_string()), asked, expected).unwrap().refresh_token.is_some();
        assert!(kept(Asked::OnBehalfOf, BEARER));
        assert!(!kept(Asked::OnBehalfOf, Expected::Saml(SAML2)));
        for asked in [Asked::TokenExchange, Asked::ClientCredentials, Asked::SamlBearer] {
            assert!(!kept(asked, BEARER), "{asked:?}");
        }
    }

    #[test]
    fn an_assertion_lives_as_long_as_both_members_say() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for (expires_in, expires_on, least, most) in [
            (json!(3296), json!(now + 100), 95, 100),
            (json!("3296"), json!((now + 100).to_string()), 95, 100),
            (json!(50), json!(now + 100), 50, 50),
            (json!(50), json!(null), 0, 0),
            (json!(3296), json!(now - 1), 0, 0),
        ] {
            let mut body = json!({"token_type": "Bearer", "access_token": "PHM-", "issued_token_type": SAML2});
            (body["expires_in"], body["expires_on"]) = (expires_in, expires_on);
            let lifetime = granted(&body, Expected::Saml(SAML2)).unwrap().lifetime.as_secs();
            assert!((least..=most).contains(&lifetime), "{body}: {lifetime}");
        }
    }

    #[test]
    fn a_token_of_another_type_is_not_taken() {
        let of = |token_type: &str, issued: Option<&str>, expected| {
            let mut body = json!({"token_type": token_type, "expires_in": 1, "access_token": "a"});
            if let Some(issued) = issued {
                body["issued_token_type"] = json!(issued);
            }
            granted(&body, expected).is_some()
        };
        let jwt = "urn:ietf:params:oauth:token-type:jwt";
        assert!(of("bearer", None, BEARER) && of("Bearer", Some(jwt), BEARER));
        assert!(!of("N_A", Some(jwt), BEARER) && !of("DPoP", None, BEARER) && !of("mac", Some(jwt), BEARER));
        let wants_jwt = Expected::Bearer(Some(jwt));
        assert!(of("N_A", Some(jwt), wants_jwt) && of("Bearer", Some(jwt), wants_jwt) && of("Bearer", None, wants_jwt));
        assert!(!of("Bearer", Some(SAML2), wants_jwt) && !of("N_A", None, wants_jwt));
        assert!(of("Bearer", Some(SAML2), Expected::Saml(SAML2)) && !of("Bearer", Some(jwt), Expected::Saml(SAML2)));
    }

    #[test]
    fn a_lifetime_that_makes_no_sense_is_none_at_all() {
        for (expires_in, expected) in [
            (json!(60), 60),
            (json!("60"), 60),
            (json!(-5), 0),
            (json!("-5"), 0),
            (json!(null), 0),
            (json!("soon"), 0),
            (json!([60]), 0),
            (json!(1e300), u64::from(u32::MAX)),
        ] {
            assert_eq!(seconds(&expires_in).as_secs(), expected, "{expires_in}");
        }
        let body = json!({"token_type": "Bearer", "access_token": "a"});
        assert_eq!(granted(&body, BEARER).unwrap().lifetime, Duration::ZERO);
    }

    #[test]
    fn a_success_without_a_usable_token_is_an_outage() {
        for body in [
            json!({}),
            json!([]),
            json!({"token_type": "Bearer", "expires_in": 1}),
            json!({"token_type": "Bearer", "access_token": ""}),
            json!({"token_type": "Bearer", "access_token": "a b"}),
            json!({"token_type": "Bearer", "access_token": "a\r\nX: y"}),
            json!({"token_type": "Bearer", "access_token": 5}),
            json!({"access_token": "a"}),
        ] {
            assert!(granted(&body, BEARER).is_none(), "{body}");
        }
        for body in ["", "{", "<html>", "null", "\"a\""] {
            let error = read(&answer(200, body), Asked::OnBehalfOf, BEARER).unwrap_err();
            assert_eq!(error.outcome().0, "unavailable", "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_body_is_read_without_panic(status in 100u16..600, body in ".{0,200}") {
            let _ = read(&answer(status, &body), Asked::OnBehalfOf, BEARER);
        }

    }
}
