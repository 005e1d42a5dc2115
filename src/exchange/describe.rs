//! An exchange as people may see it: its forms made by the code that makes the real ones, from stand-ins for every
//! secret, assertion and token.

use http::HeaderName;
use http::header::AUTHORIZATION;
use url::form_urlencoded;

use super::credential::{Authenticator, CredentialDescription, Proof};
use super::definition::{Exchange, TokenSource};
use super::form::{self, Capable, Subject};
use super::grant::{Grant, TokenExchange};
use crate::digest::Digest;
use crate::identity::Tenant;

/// An exchange for one caller, without anything that is secret.
#[derive(Debug)]
pub struct Description {
    /// The token requests, one after the other.
    pub requests: Vec<TokenRequest>,
    /// The header that the target gets.
    pub header: HeaderName,
    /// The word before the token in that header.
    pub scheme: Option<Box<str>>,
    /// Under what the outcome is remembered: whom it is for, as far as that is known, and the exchange.
    pub key: (Option<Digest>, Digest),
}

/// A token request, without anything that is secret.
#[derive(Debug)]
pub struct TokenRequest {
    /// Where it goes; nothing while that is not known.
    pub endpoint: Option<String>,
    /// The header that authenticates us, where one does.
    pub authorization: Option<String>,
    /// The form.
    pub form: Vec<(String, String)>,
    /// Our credentials, in the order in which they are tried.
    pub credentials: Vec<CredentialDescription>,
}

/// What of a caller has a part in an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The caller's tenant.
    pub tenant: Option<&'a Tenant>,
    /// The SHA-256 of token A, and its length in bytes.
    pub token_a: Option<(&'a Digest, usize)>,
    /// Whether the caller handles claims challenges.
    pub capable: bool,
}

impl Exchange {
    /// What would be asked for, and where the answer would go.
    pub fn describe(&self, circumstances: Circumstances<'_>) -> Description {
        let key =
            circumstances.tenant.zip(circumstances.token_a).map(|(tenant, (digest, _))| self.key(digest, tenant).0);
        Description {
            requests: self.requests(circumstances),
            header: self.header.clone(),
            scheme: self.scheme.clone(),
            key: (key, self.digest),
        }
    }

    fn requests(&self, circumstances: Circumstances<'_>) -> Vec<TokenRequest> {
        match &self.source {
            TokenSource::Provider(grant) => vec![self.request_to_provider(grant, circumstances)],
            TokenSource::Target { assertion, asked } => {
                let proof = self.authenticator.stand_in();
                let form = form::saml_bearer(asked, &proof, "<the assertion that the first request brings>");
                let second = request(Some(asked.endpoint.to_string()), &self.authenticator, &proof, form.expose());
                assertion.requests(circumstances).into_iter().chain([second]).collect()
            }
        }
    }

    fn request_to_provider(&self, grant: &Grant, circumstances: Circumstances<'_>) -> TokenRequest {
        let proof = self.authenticator.stand_in();
        let token = match circumstances.token_a {
            Some((_, length)) => format!("<token A, {length} bytes>"),
            None => "<token A>".to_owned(),
        };
        let (subject, capable) = (Subject::TokenA(&token), Capable(circumstances.capable));
        let form = self.form(&without_parameters(grant), &proof, subject, capable);
        let endpoints = circumstances.tenant.and_then(Tenant::endpoints);
        request(endpoints.map(|endpoints| endpoints.token.to_string()), &self.authenticator, &proof, form.expose())
    }
}

fn request(endpoint: Option<String>, authenticator: &Authenticator, proof: &Proof, form: &str) -> TokenRequest {
    let headers = form::headers(proof, "").unwrap_or_default();
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    TokenRequest {
        endpoint,
        authorization: authorization.map(str::to_owned),
        form: form_urlencoded::parse(form.as_bytes()).into_owned().collect(),
        credentials: authenticator.describe(),
    }
}

/// Nobody knows what further parameters are: one may be a secret.
fn without_parameters(grant: &Grant) -> Grant {
    let mut grant = grant.clone();
    if let Grant::TokenExchange(TokenExchange { parameters, .. }) = &mut grant {
        for (_, value) in parameters {
            *value = "<as configured>".into();
        }
    }
    grant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::grant::OnBehalfOf;
    use crate::exchange::testing::identity;
    use crate::identity::{Credential, SecretSource};
    use crate::secret::Secret;

    fn describe(grant: Grant, basic: bool) -> Description {
        let mut identity = identity("one", "client");
        let secret = SecretSource::Value(Secret::new("very-secret".to_owned()));
        identity.credentials =
            vec![if basic { Credential::SecretBasic(secret) } else { Credential::SecretPost(secret) }];
        let exchange = Exchange::for_test(&identity, grant);
        let (tenant, digest) = (&identity.anyone, Digest::of(b"token"));
        exchange.describe(Circumstances { tenant: Some(tenant), token_a: Some((&digest, 5)), capable: true })
    }

    fn on_behalf_of() -> Grant {
        Grant::OnBehalfOf(OnBehalfOf { scopes: vec!["a/b".into()], ..OnBehalfOf::default() })
    }

    #[test]
    fn the_form_is_the_real_one_with_stand_ins() {
        let described = describe(on_behalf_of(), false);
        let form: Vec<_> = described.requests[0].form.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("client_id", "client"),
            ("client_secret", "****"),
            ("assertion", "<token A, 5 bytes>"),
            ("scope", "a/b"),
            ("requested_token_use", "on_behalf_of"),
            ("claims", r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#),
        ];
        assert_eq!(form, expected);
    }

    #[test]
    fn a_secret_in_a_header_is_hidden_as_well() {
        let described = describe(on_behalf_of(), true);
        assert_eq!(described.requests[0].authorization.as_deref(), Some("Basic ****"));
        assert!(!format!("{described:?}").contains("very-secret"));
    }

    #[test]
    fn parameters_that_nobody_knows_are_not_told() {
        let parameters = vec![("password".into(), "hunter2".into())];
        let described = describe(Grant::TokenExchange(TokenExchange { parameters, ..TokenExchange::default() }), false);
        assert!(described.requests[0].form.contains(&("password".to_owned(), "<as configured>".to_owned())));
        assert!(!format!("{described:?}").contains("hunter2"));
    }

    #[test]
    fn the_key_is_that_of_the_cache() {
        let described = describe(on_behalf_of(), false);
        let exchange = Exchange::for_test(&identity("one", "client"), on_behalf_of());
        let (a, b) = exchange.key(&Digest::of(b"token"), &identity("one", "client").anyone);
        assert_eq!(described.key, (Some(a), b));
    }
}
