//! The forms of token requests: pure, without any I/O.

use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue};
use url::form_urlencoded::Serializer;

use super::claims;
use super::credential::Proof;
use super::grant::{AssertionGrant, Grant, OnBehalfOf, TokenExchange};
use crate::secret::Secret;

/// What a token request is about, beside the grant and ourselves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// The caller's token A, or nobody's where the grant concerns no caller.
    TokenA(&'a str),
    /// A refresh token that came with an earlier token B for the same caller.
    RefreshToken(&'a str),
}

/// Whether a caller handles claims challenges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capable(pub(super) bool);

/// The form by which `grant` is asked for in the name of `client_id`; it holds credentials.
pub(super) fn token_request(
    grant: &Grant,
    client_id: &str,
    proof: &Proof,
    subject: Subject<'_>,
    capable: Capable,
) -> Secret {
    let mut form = Serializer::new(String::with_capacity(4096));
    match (grant, subject) {
        (Grant::OnBehalfOf(asked), Subject::RefreshToken(token)) => {
            form.append_pair("grant_type", "refresh_token");
            client(&mut form, client_id, proof);
            form.append_pair("refresh_token", token).append_pair("scope", &asked.scopes.join(" "));
            append_claims(&mut form, asked, capable);
        }
        (Grant::OnBehalfOf(asked), Subject::TokenA(token)) => {
            form.append_pair("grant_type", JWT_BEARER);
            client(&mut form, client_id, proof);
            on_behalf_of(&mut form, asked, token);
            append_claims(&mut form, asked, capable);
        }
        (Grant::ClientCredentials { scopes }, _) => {
            form.append_pair("grant_type", "client_credentials");
            client(&mut form, client_id, proof);
            form.append_pair("scope", &scopes.join(" "));
        }
        (Grant::TokenExchange(asked), Subject::TokenA(token) | Subject::RefreshToken(token)) => {
            form.append_pair("grant_type", TOKEN_EXCHANGE);
            client(&mut form, client_id, proof);
            token_exchange(&mut form, asked, token);
        }
        (Grant::None, _) => {}
    }
    Secret::new(form.finish())
}

/// The form that presents a SAML 2.0 assertion, encoded in base64url, to a token endpoint (RFC 7522 section 2.1).
pub(super) fn saml_bearer(asked: &AssertionGrant, proof: &Proof, assertion: &str) -> Secret {
    let mut form = Serializer::new(String::with_capacity(assertion.len() + 512));
    form.append_pair("grant_type", SAML2_BEARER);
    client(&mut form, asked.client_id.as_deref().unwrap_or_default(), proof);
    form.append_pair("assertion", assertion);
    if !asked.scopes.is_empty() {
        form.append_pair("scope", &asked.scopes.join(" "));
    }
    Secret::new(form.finish())
}

/// The header section of a token request. `client-request-id` ties our log to the identity provider's.
pub(super) fn headers(proof: &Proof, request_id: &str) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("client-request-id"), HeaderValue::from_str(request_id)?);
    headers.insert(HeaderName::from_static("return-client-request-id"), HeaderValue::from_static("true"));
    if let Proof::Basic(value) = proof {
        headers.insert(AUTHORIZATION, value.clone());
    }
    Ok(headers)
}

fn client(form: &mut Serializer<'_, String>, client_id: &str, proof: &Proof) {
    if !client_id.is_empty() {
        form.append_pair("client_id", client_id);
    }
    match proof {
        Proof::Secret(secret) => {
            form.append_pair("client_secret", secret.expose());
        }
        Proof::Assertion(assertion) => {
            form.append_pair("client_assertion_type", CLIENT_ASSERTION)
                .append_pair("client_assertion", assertion.expose());
        }
        Proof::Basic(_) | Proof::None => {}
    }
}

fn on_behalf_of(form: &mut Serializer<'_, String>, asked: &OnBehalfOf, token: &str) {
    form.append_pair("assertion", token)
        .append_pair("scope", &asked.scopes.join(" "))
        .append_pair("requested_token_use", "on_behalf_of");
    if let Some(saml) = &asked.saml {
        form.append_pair("requested_token_type", saml.version.token_type());
    }
}

fn append_claims(form: &mut Serializer<'_, String>, asked: &OnBehalfOf, capable: Capable) {
    if let Some(claims) = claims::parameter(asked.claims.as_ref(), capable.0) {
        form.append_pair("claims", &claims);
    }
}

fn token_exchange(form: &mut Serializer<'_, String>, asked: &TokenExchange, token: &str) {
    form.append_pair("subject_token", token).append_pair("subject_token_type", &asked.subject_token_type);
    for resource in &asked.resources {
        form.append_pair("resource", resource);
    }
    for audience in &asked.audiences {
        form.append_pair("audience", audience);
    }
    if !asked.scopes.is_empty() {
        form.append_pair("scope", &asked.scopes.join(" "));
    }
    if let Some(token_type) = &asked.requested_token_type {
        form.append_pair("requested_token_type", token_type);
    }
    for (name, value) in &asked.parameters {
        form.append_pair(name, value);
    }
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SAML2_BEARER: &str = "urn:ietf:params:oauth:grant-type:saml2-bearer";
const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exchange::grant::{Delivery, Saml, SamlVersion};

    const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";

    fn graph() -> OnBehalfOf {
        let scopes = vec!["https://graph.microsoft.com/user.read".into(), "offline_access".into()];
        OnBehalfOf { scopes, ..OnBehalfOf::default() }
    }

    fn form(grant: &Grant, proof: &Proof, subject: Subject<'_>) -> String {
        token_request(grant, CLIENT, proof, subject, Capable(false)).expose().to_owned()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_first_case_of_the_article() {
        assert_eq!(
            form(
                &Grant::OnBehalfOf(graph()),
                &Proof::Secret(secret("sample Credentia1s&=+")),
                Subject::TokenA("eyJ.a-b_c")
            ),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
             &client_id=00001111-aaaa-2222-bbbb-3333cccc4444\
             &client_secret=sample+Credentia1s%26%3D%2B\
             &assertion=eyJ.a-b_c\
             &scope=https%3A%2F%2Fgraph.microsoft.com%2Fuser.read+offline_access\
             &requested_token_use=on_behalf_of"
        );
    }

    #[test]
    fn the_second_case_of_the_article() {
        assert_eq!(
            form(&Grant::OnBehalfOf(graph()), &Proof::Assertion(secret("eyJ.c.s")), Subject::TokenA("eyJ.a")),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
             &client_id=00001111-aaaa-2222-bbbb-3333cccc4444\
             &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion=eyJ.c.s\
             &assertion=eyJ.a\
             &scope=https%3A%2F%2Fgraph.microsoft.com%2Fuser.read+offline_access\
             &requested_token_use=on_behalf_of"
        );
    }

    #[test]
    fn a_saml_assertion_is_asked_for_by_its_type() {
        let delivery = Delivery::Header { name: AUTHORIZATION, scheme: None };
        for (version, name) in [(SamlVersion::Saml1, "saml1"), (SamlVersion::Saml2, "saml2")] {
            let saml = Some(Saml { version, delivery: delivery.clone() });
            let grant = Grant::OnBehalfOf(OnBehalfOf { saml, ..graph() });
            let form = form(&grant, &Proof::None, Subject::TokenA("a"));
            let expected = format!(
                "requested_token_use=on_behalf_of&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3A{name}"
            );
            assert!(form.ends_with(&expected), "{form}");
        }
    }

    #[test]
    fn the_capability_is_declared_for_capable_callers_only() {
        let grant = Grant::OnBehalfOf(graph());
        let with = token_request(&grant, CLIENT, &Proof::None, Subject::TokenA("a"), Capable(true));
        let without = token_request(&grant, CLIENT, &Proof::None, Subject::TokenA("a"), Capable(false));
        let claims = "&claims=%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22cp1%22%5D%7D%7D%7D";
        assert_eq!(with.expose(), format!("{}{claims}", without.expose()));
    }

    #[test]
    fn a_route_may_ask_for_claims() {
        let claims = json!({"access_token": {"acrs": {"value": "c1"}}}).as_object().cloned();
        let form = form(&Grant::OnBehalfOf(OnBehalfOf { claims, ..graph() }), &Proof::None, Subject::TokenA("a"));
        assert!(form.ends_with("&claims=%7B%22access_token%22%3A%7B%22acrs%22%3A%7B%22value%22%3A%22c1%22%7D%7D%7D"));
    }

    #[test]
    fn a_refresh_token_takes_the_place_of_the_assertion() {
        assert_eq!(
            form(&Grant::OnBehalfOf(graph()), &Proof::Secret(secret("s")), Subject::RefreshToken("1.x")),
            "grant_type=refresh_token&client_id=00001111-aaaa-2222-bbbb-3333cccc4444&client_secret=s\
             &refresh_token=1.x&scope=https%3A%2F%2Fgraph.microsoft.com%2Fuser.read+offline_access"
        );
    }

    #[test]
    fn client_credentials_name_no_caller() {
        let grant = Grant::ClientCredentials { scopes: vec!["api://b/.default".into()] };
        assert_eq!(
            form(&grant, &Proof::Secret(secret("s")), Subject::TokenA("eyJ.a")),
            "grant_type=client_credentials&client_id=00001111-aaaa-2222-bbbb-3333cccc4444&client_secret=s\
             &scope=api%3A%2F%2Fb%2F.default"
        );
    }

    /// Figure 2 of RFC 8693, section 2.3.
    #[test]
    fn the_example_of_the_token_exchange_specification() {
        let grant = Grant::TokenExchange(TokenExchange {
            resources: vec!["https://backend.example.com/api".into()],
            subject_token_type: "urn:ietf:params:oauth:token-type:access_token".into(),
            ..TokenExchange::default()
        });
        let subject = "accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC";
        let mut pairs: Vec<_> = url::form_urlencoded::parse(
            token_request(&grant, "", &Proof::None, Subject::TokenA(subject), Capable(true)).expose().as_bytes(),
        )
        .into_owned()
        .collect();
        pairs.sort_unstable();
        let expected = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("resource", "https://backend.example.com/api"),
            ("subject_token", subject),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_parameters_of_keycloak_okta_and_auth0() {
        let grant = Grant::TokenExchange(TokenExchange {
            scopes: vec!["orders.read".into(), "openid".into()],
            audiences: vec!["orders".into(), "billing".into()],
            resources: Vec::new(),
            subject_token_type: "urn:ietf:params:oauth:token-type:access_token".into(),
            requested_token_type: Some("urn:ietf:params:oauth:token-type:access_token".into()),
            parameters: vec![("organization".into(), "org_1".into())],
        });
        assert_eq!(
            form(&grant, &Proof::None, Subject::TokenA("t")),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &client_id=00001111-aaaa-2222-bbbb-3333cccc4444&subject_token=t\
             &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &audience=orders&audience=billing&scope=orders.read+openid\
             &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&organization=org_1"
        );
    }

    #[test]
    fn a_saml_assertion_is_presented_as_rfc_7522_says() {
        let mut asked = AssertionGrant {
            endpoint: "https://target/token".into(),
            client_id: Some("c".into()),
            credential: None,
            scopes: vec!["a".into(), "b".into()],
        };
        assert_eq!(
            saml_bearer(&asked, &Proof::Secret(secret("s")), "PHNhbWw-").expose(),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer&client_id=c&client_secret=s\
             &assertion=PHNhbWw-&scope=a+b"
        );
        (asked.client_id, asked.scopes) = (None, Vec::new());
        assert_eq!(
            saml_bearer(&asked, &Proof::None, "x").expose(),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Asaml2-bearer&assertion=x"
        );
    }

    #[test]
    fn basic_goes_into_the_header_section_and_nowhere_else() {
        let proof = Proof::Basic(HeaderValue::from_static("Basic eDp5"));
        assert_eq!(headers(&proof, "id").unwrap()[AUTHORIZATION], "Basic eDp5");
        assert!(!headers(&Proof::Secret(secret("s")), "id").unwrap().contains_key(AUTHORIZATION));
        assert!(!form(&Grant::OnBehalfOf(graph()), &proof, Subject::TokenA("a")).contains("client_secret"));
    }
}
