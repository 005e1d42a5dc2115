//! The on-behalf-of grant: from a caller's token A to a token B.

use serde_json::{Map, Value, json};

use super::{Granted, TokenCall, refresh::RefreshGrant, sign_in::SignIn};
use crate::emulator::{
    assertion,
    authority::Authority,
    challenge::ClaimsChallenge,
    clock::unix_now,
    form::Form,
    jwt,
    mint::{TokenVersion, issuer, members, pairwise},
    policy::Policy,
    refusal::Refusal,
    saml::SamlVersion,
    scope::{RequestedScopes, asks_for},
    user::User,
};

/// Exchanges the form's assertion. Checks come in Entra's order: client, then assertion, then scope, then policy.
pub(super) fn exchange(call: &TokenCall<'_>) -> Result<Granted, Refusal> {
    let (authority, form, tenant) = (call.authority, call.form, call.tenant_id()?);
    call.authenticate(&tenant)?;
    check_token_use(form)?;
    let caller = assertion::verify(authority, &tenant, form.require("assertion")?)?;
    let on_behalf_of = OnBehalfOf { tenant, caller, scope: form.require("scope")?.to_owned() };
    let exchange = on_behalf_of.exchange(authority, &on_behalf_of.scope)?;
    let claims = ClaimsChallenge::of_parameter(form.find("claims"))?;
    exchange.check_policy(&authority.policy.lock())?;
    match form.find("requested_token_type").map(SamlVersion::parse) {
        None => Ok(exchange.grant_jwt(&claims)),
        Some(Some(version)) => exchange.grant_saml(version),
        Some(None) => Err(Refusal::Malformed("the requested_token_type is unknown")),
    }
}

/// A user for whom the registration acts, and in which scopes.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct OnBehalfOf {
    pub(super) tenant: String,
    /// The claims of token A.
    caller: Map<String, Value>,
    scope: String,
}

impl OnBehalfOf {
    /// A token B for the same scopes, or for some of them. The policy may have changed since the exchange.
    pub(super) fn refresh(
        &self,
        authority: &Authority,
        scope: Option<&str>,
        claims: &ClaimsChallenge,
    ) -> Result<Granted, Refusal> {
        let exchange = self.exchange(authority, scope.unwrap_or(&self.scope))?;
        if !RequestedScopes::parse(&self.scope)?.contains(&exchange.scopes) {
            return Err(Refusal::InvalidScope("the refresh token was given for other scopes"));
        }
        exchange.check_policy(&authority.policy.lock())?;
        Ok(exchange.grant_jwt(claims))
    }

    /// The user's `oid`.
    pub(super) fn user(&self) -> &str {
        jwt::text(&self.caller, "oid").or_else(|| jwt::text(&self.caller, "sub")).unwrap_or("")
    }

    fn exchange<'e>(&'e self, authority: &'e Authority, scope: &'e str) -> Result<Exchange<'e>, Refusal> {
        Ok(Exchange { authority, on_behalf_of: self, scope, scopes: RequestedScopes::parse(scope)? })
    }
}

fn check_token_use(form: &Form) -> Result<(), Refusal> {
    match form.require("requested_token_use")? {
        "on_behalf_of" => Ok(()),
        _ => Err(Refusal::Malformed("the requested_token_use is not on_behalf_of")),
    }
}

/// An exchange whose token A and scopes are in order.
struct Exchange<'e> {
    authority: &'e Authority,
    on_behalf_of: &'e OnBehalfOf,
    /// The parameter as it was sent.
    scope: &'e str,
    scopes: RequestedScopes,
}

impl Exchange<'_> {
    fn check_policy(&self, policy: &Policy) -> Result<(), Refusal> {
        if policy.lacks_consent(self.scope) {
            return Err(Refusal::ConsentMissing);
        }
        if policy.demands_step_up(self.scope, &self.on_behalf_of.caller) {
            return Err(Refusal::StepUp { shape: policy.step_up_shape, claims: policy.challenge() });
        }
        Ok(())
    }

    fn grant_jwt(&self, claims: &ClaimsChallenge) -> Granted {
        let access_token = self.authority.sign(&self.claims(claims));
        let refresh = || RefreshGrant::OnBehalfOf(self.on_behalf_of.clone());
        let refresh_token = self.scopes.offline_access.then(|| self.authority.refresh_tokens.issue(refresh()));
        let lifetime = self.authority.options.lifetime(claims);
        let user = asks_for(self.scope, "openid").then(|| self.signed_in());
        Granted {
            refresh_token,
            id_token: user.as_ref().map(|user| user.id_token(self.authority)),
            client_info: user.as_ref().map(SignIn::client_info),
            ..self.grant(access_token, lifetime)
        }
    }

    /// The user as somebody who signed in to the registration, as client libraries want them to keep tokens by user.
    fn signed_in(&self) -> SignIn {
        let OnBehalfOf { tenant, caller, .. } = self.on_behalf_of;
        let client_id = self.authority.options.client_id.clone();
        SignIn { client_id, tenant: tenant.clone(), user: User::of(caller), nonce: None }
    }

    /// SAML has no scopes: the audience's `.default` is all that can be asked for. Nor is it refreshed.
    fn grant_saml(&self, version: SamlVersion) -> Result<Granted, Refusal> {
        if !self.scopes.is_default() {
            return Err(Refusal::InvalidScope("a SAML token is asked for by '.default'"));
        }
        let (expires_in, resource) = (self.authority.options.expires_in, &self.scopes.resource);
        let lifetime = i64::from(expires_in);
        let issuer = issuer(&self.authority.url, &self.on_behalf_of.tenant, TokenVersion::V1);
        Ok(Granted {
            expires_on: Some(unix_now().saturating_add(lifetime)),
            resource: Some(resource.clone()),
            issued_token_type: Some(version.token_type()),
            ..self.grant(version.assertion(&issuer, self.on_behalf_of.user(), resource, lifetime), expires_in)
        })
    }

    fn grant(&self, access_token: String, lifetime: u32) -> Granted {
        let options = &self.authority.options;
        let scope = Some(self.scopes.granted(&options.default_scopes));
        Granted { scope, refresh_in: options.refresh_in, ..Granted::bearer(access_token, lifetime) }
    }

    fn claims(&self, claims: &ClaimsChallenge) -> Map<String, Value> {
        let (options, now) = (&self.authority.options, unix_now());
        let (tenant, user) = (&self.on_behalf_of.tenant, self.on_behalf_of.user());
        let mut members = members(json!({
            "aud": self.scopes.resource, "iss": issuer(&self.authority.url, tenant, TokenVersion::V2),
            "iat": now, "nbf": now, "exp": now.saturating_add(options.lifetime(claims).into()),
            "azp": options.client_id, "azpacr": "1", "tid": tenant, "ver": "2.0",
            "oid": user, "sub": pairwise(user, &self.scopes.resource),
            "scp": self.scopes.scp(&options.default_scopes), "uti": self.authority.issuance.next_uti(),
        }));
        let inherited = |name: &&str| Some(((*name).to_owned(), self.on_behalf_of.caller.get(*name)?.clone()));
        members.extend(["name", "preferred_username", "acrs"].iter().filter_map(inherited));
        if !claims.capabilities().is_empty() {
            members.insert("xms_cc".to_owned(), claims.capabilities().into());
        }
        members
    }
}
