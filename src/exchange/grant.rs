//! The form of a token request, as the article "On-Behalf-Of flow" describes it: pure, without any I/O.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, InvalidHeaderValue};
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::digest::Digest;
use crate::identity::{Credential, Identity};

/// How a route turns token A into what the target receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// A token B acquired on behalf of the caller (OAuth 2.0 On-Behalf-Of).
    OnBehalfOf {
        /// The scopes of B, all of one resource.
        scopes: Vec<Box<str>>,
    },
    /// Nothing: the request is forwarded without a credential.
    None,
}

/// A token request that lacks only token A.
#[derive(Debug)]
pub(super) struct Template {
    scope: String,
}

impl Template {
    /// For On-Behalf-Of with these scopes.
    pub(super) fn on_behalf_of(scopes: &[Box<str>]) -> Self {
        Self { scope: scopes.join(" ") }
    }

    /// What tells this exchange from every other one of the same token A.
    ///
    /// The tenant follows from token A, and the provider from the name of the identity.
    pub(super) fn digest(&self, identity: &Identity) -> Digest {
        Digest::of_parts([
            identity.name.as_bytes(),
            identity.client_id.as_bytes(),
            JWT_BEARER.as_bytes(),
            self.scope.as_bytes(),
        ])
    }

    /// The scopes, separated by blanks.
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// The form for `assertion`, in the order of the article.
    pub(super) fn form(&self, identity: &Identity, assertion: &str) -> String {
        let mut form = Serializer::new(String::with_capacity(assertion.len() + 512));
        form.append_pair("grant_type", JWT_BEARER).append_pair("client_id", &identity.client_id);
        if let Credential::SecretPost(secret) = &identity.credential {
            form.append_pair("client_secret", secret.expose());
        }
        form.append_pair("assertion", assertion)
            .append_pair("scope", &self.scope)
            .append_pair("requested_token_use", "on_behalf_of");
        form.finish()
    }
}

/// The header section of a token request. `client-request-id` ties our log to the identity provider's.
pub(super) fn headers(identity: &Identity, request_id: &str) -> Result<HeaderMap, InvalidHeaderValue> {
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("client-request-id"), HeaderValue::from_str(request_id)?);
    headers.insert(HeaderName::from_static("return-client-request-id"), HeaderValue::from_static("true"));
    if let Credential::SecretBasic(secret) = &identity.credential {
        headers.insert(AUTHORIZATION, basic(&identity.client_id, secret.expose())?);
    }
    Ok(headers)
}

/// HTTP Basic with both parts form-urlencoded first (RFC 6749 section 2.3.1).
fn basic(client_id: &str, secret: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let [client_id, secret] = [client_id, secret].map(|part| byte_serialize(part.as_bytes()).collect::<String>());
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{client_id}:{secret}"))))?;
    value.set_sensitive(true);
    Ok(value)
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::identity::{Provider, Tenant};
    use crate::secret::Secret;

    pub(in crate::exchange) fn identity(credential: Credential) -> Identity {
        let (authority, client_id) = ("https://login.microsoftonline.com", "00001111-aaaa-2222-bbbb-3333cccc4444");
        let tenant = Arc::new(Tenant::entra(authority, "11111111-2222-3333-4444-555555555555", client_id));
        Identity {
            name: "default".into(),
            provider: Provider::Entra { authority: authority.into() },
            tenants: vec![Arc::clone(&tenant)],
            anyone: tenant,
            client_id: client_id.into(),
            credential,
            audiences: Vec::new(),
            algorithms: Vec::new(),
            clock_skew: Duration::ZERO,
            timeout: Duration::from_secs(10),
            key_refresh: Duration::from_hours(1),
        }
    }

    fn template() -> Template {
        Template::on_behalf_of(&["https://graph.microsoft.com/user.read".into(), "offline_access".into()])
    }

    #[test]
    fn the_form_is_that_of_the_article() {
        let identity = identity(Credential::SecretPost(Secret::new("sample Credentia1s&=+".to_owned())));
        assert_eq!(
            template().form(&identity, "eyJ.a-b_c"),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer\
             &client_id=00001111-aaaa-2222-bbbb-3333cccc4444\
             &client_secret=sample+Credentia1s%26%3D%2B\
             &assertion=eyJ.a-b_c\
             &scope=https%3A%2F%2Fgraph.microsoft.com%2Fuser.read+offline_access\
             &requested_token_use=on_behalf_of"
        );
        assert!(!headers(&identity, "id").unwrap().contains_key(AUTHORIZATION));
    }

    #[test]
    fn basic_takes_the_secret_out_of_the_form_and_encodes_both_parts() {
        let identity = identity(Credential::SecretBasic(Secret::new("s:e%c ret".to_owned())));
        assert!(!template().form(&identity, "a").contains("client_secret"));
        let headers = headers(&identity, "id").unwrap();
        let encoded = headers[AUTHORIZATION].to_str().unwrap().strip_prefix("Basic ").unwrap();
        let decoded = STANDARD.decode(encoded).unwrap();
        assert_eq!(decoded, b"00001111-aaaa-2222-bbbb-3333cccc4444:s%3Ae%25c+ret");
        assert!(headers[AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn the_digest_changes_with_whatever_changes_the_answer() {
        let base = identity(Credential::SecretPost(Secret::new("s".to_owned())));
        let digest = template().digest(&base);
        let other_scope = Template::on_behalf_of(&["https://graph.microsoft.com/mail.read".into()]);
        let other_identity = Identity { name: "other".into(), ..base.clone() };
        assert_ne!(other_scope.digest(&base), digest);
        assert_ne!(template().digest(&other_identity), digest);
    }
}
