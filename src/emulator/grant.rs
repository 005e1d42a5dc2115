//! The on-behalf-of grant: from a form to token B or to a refusal.

use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    assertion,
    authority::Authority,
    client_auth,
    clock::unix_now,
    form::Form,
    jwt,
    mint::{TokenVersion, issuer, members, pairwise},
    policy::Policy,
    refusal::Refusal,
    saml::SamlVersion,
    scope::RequestedScopes,
};

/// A successful answer, its members in the order in which Entra sends them.
#[derive(Debug, Serialize)]
pub(super) struct Granted {
    token_type: &'static str,
    scope: String,
    expires_in: u32,
    ext_expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Exchanges the form's assertion. Checks come in Entra's order: client, then assertion, then scope, then policy.
pub(super) fn exchange(
    authority: &Authority,
    tenant: &str,
    form: &Form,
    headers: &HeaderMap,
) -> Result<Granted, Refusal> {
    form.refuse_repetition()?;
    let tenant = tenant_id(tenant).ok_or_else(|| Refusal::UnknownTenant(tenant.to_owned()))?;
    check_grant_type(form)?;
    client_auth::authenticate(authority, &tenant, form, headers)?;
    check_token_use(form)?;
    let caller = assertion::verify(authority, &tenant, form.require("assertion")?)?;
    let scope = form.require("scope")?;
    let scopes = RequestedScopes::parse(scope)?;
    let capabilities = requested_capabilities(form)?;
    check_policy(&authority.policy.lock(), scope, &caller)?;
    let exchange = Exchange { authority, tenant: &tenant, caller: &caller, scopes: &scopes };
    match form.find("requested_token_type").map(SamlVersion::parse) {
        None => Ok(exchange.grant_jwt(&capabilities)),
        Some(Some(version)) => exchange.grant_saml(version),
        Some(None) => Err(Refusal::Malformed("the requested_token_type is unknown")),
    }
}

/// A tenant's id in lower case, if it is a GUID in the usual form. Other names of tenants are not for this flow.
pub(super) fn tenant_id(tenant: &str) -> Option<String> {
    let id = Uuid::try_parse(tenant).ok()?.to_string();
    id.eq_ignore_ascii_case(tenant).then_some(id)
}

fn check_grant_type(form: &Form) -> Result<(), Refusal> {
    match form.require("grant_type")? {
        GRANT_TYPE => Ok(()),
        other => Err(Refusal::UnsupportedGrant(other.to_owned())),
    }
}

fn check_token_use(form: &Form) -> Result<(), Refusal> {
    match form.require("requested_token_use")? {
        "on_behalf_of" => Ok(()),
        _ => Err(Refusal::Malformed("the requested_token_use is not on_behalf_of")),
    }
}

fn check_policy(policy: &Policy, scope: &str, caller: &Map<String, Value>) -> Result<(), Refusal> {
    if policy.lacks_consent(scope) {
        return Err(Refusal::ConsentMissing);
    }
    if policy.demands_step_up(scope, caller) {
        return Err(Refusal::StepUp { shape: policy.step_up_shape, claims: policy.challenge() });
    }
    Ok(())
}

/// The values of `xms_cc` that the parameter `claims` asks for.
fn requested_capabilities(form: &Form) -> Result<Vec<String>, Refusal> {
    let Some(claims) = form.find("claims") else { return Ok(Vec::new()) };
    let claims: Map<String, Value> =
        serde_json::from_str(claims).map_err(|_| Refusal::Malformed("the parameter 'claims' is not a JSON object"))?;
    let values = claims.get("access_token").and_then(|token| token.pointer("/xms_cc/values"));
    let values = values.and_then(Value::as_array).into_iter().flatten();
    Ok(values.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// An exchange that nothing stands against any more.
struct Exchange<'e> {
    authority: &'e Authority,
    tenant: &'e str,
    caller: &'e Map<String, Value>,
    scopes: &'e RequestedScopes,
}

impl Exchange<'_> {
    fn grant_jwt(&self, capabilities: &[String]) -> Granted {
        let access_token = self.authority.sign(&self.claims(capabilities));
        Granted { access_token, ..self.grant() }
    }

    /// SAML has no scopes: the audience's `.default` is all that can be asked for.
    fn grant_saml(&self, version: SamlVersion) -> Result<Granted, Refusal> {
        if !self.scopes.is_default() {
            return Err(Refusal::InvalidScope("a SAML token is asked for by '.default'"));
        }
        let (lifetime, resource) = (i64::from(self.authority.options.expires_in), &self.scopes.resource);
        let issuer = issuer(&self.authority.url, self.tenant, TokenVersion::V1);
        Ok(Granted {
            access_token: version.assertion(&issuer, self.user(), resource, lifetime),
            expires_on: Some(unix_now().saturating_add(lifetime)),
            resource: Some(resource.clone()),
            issued_token_type: Some(version.token_type()),
            ..self.grant()
        })
    }

    /// An answer that lacks only its token.
    fn grant(&self) -> Granted {
        let options = &self.authority.options;
        Granted {
            token_type: "Bearer",
            scope: self.scopes.granted(&options.default_scopes),
            expires_in: options.expires_in,
            ext_expires_in: options.expires_in,
            expires_on: None,
            resource: None,
            access_token: String::new(),
            issued_token_type: None,
            refresh_token: self.scopes.offline_access.then(|| format!("1.{}", Uuid::new_v4().simple())),
        }
    }

    fn claims(&self, capabilities: &[String]) -> Map<String, Value> {
        let (options, now) = (&self.authority.options, unix_now());
        let mut claims = members(json!({
            "aud": self.scopes.resource, "iss": issuer(&self.authority.url, self.tenant, TokenVersion::V2),
            "iat": now, "nbf": now, "exp": now.saturating_add(options.expires_in.into()),
            "azp": options.client_id, "azpacr": "1", "tid": self.tenant, "ver": "2.0",
            "oid": self.user(), "sub": pairwise(self.user(), &self.scopes.resource),
            "scp": self.scopes.scp(&options.default_scopes), "uti": self.authority.issuance.next_uti(),
        }));
        let inherited = ["name", "preferred_username", "acrs"];
        claims.extend(inherited.iter().filter_map(|name| Some(((*name).to_owned(), self.caller.get(*name)?.clone()))));
        if !capabilities.is_empty() {
            claims.insert("xms_cc".to_owned(), capabilities.into());
        }
        claims
    }

    fn user(&self) -> &str {
        jwt::text(self.caller, "oid").or_else(|| jwt::text(self.caller, "sub")).unwrap_or("")
    }
}

/// A JWT as the grant (RFC 7523, section 2.1).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
