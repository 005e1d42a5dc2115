//! `grant_type=client_credentials`: the emulator's own registration acts for itself.

use serde_json::{Map, Value, json};

use super::{Granted, TokenCall};
use crate::emulator::{
    challenge::ClaimsChallenge,
    clock::unix_now,
    mint::{DEFAULT_APPLICATION_OID, TokenVersion, issuer, members},
    refusal::Refusal,
};

/// Gives an application's token; nobody's consent can be asked for, so that only `.default` makes sense.
pub(super) fn act_for_itself(call: &TokenCall<'_>) -> Result<Granted, Refusal> {
    let (form, tenant) = (call.form, call.tenant_id()?);
    call.authenticate(&tenant)?;
    let resource = resource(form.require("scope")?).ok_or(Refusal::NotDefaultScope)?;
    let claims = ClaimsChallenge::of_parameter(form.find("claims"))?;
    let token = call.authority.sign(&token(call, &tenant, resource, &claims));
    let options = &call.authority.options;
    Ok(Granted { refresh_in: options.refresh_in, ..Granted::bearer(token, options.lifetime(&claims)) })
}

fn resource(scope: &str) -> Option<&str> {
    let resource = scope.trim().strip_suffix("/.default")?;
    (!resource.is_empty() && !resource.contains(char::is_whitespace)).then_some(resource)
}

fn token(call: &TokenCall<'_>, tenant: &str, resource: &str, claims: &ClaimsChallenge) -> Map<String, Value> {
    let (authority, now) = (call.authority, unix_now());
    let options = &authority.options;
    // A token of version 2.0 names its audience by client id, whatever the scope calls it.
    let audience = if options.accepts_audience(resource) { &options.client_id } else { resource };
    let mut members = members(json!({
        "aud": audience, "iss": issuer(&authority.url, tenant, TokenVersion::V2), "iat": now, "nbf": now,
        "exp": now.saturating_add(options.lifetime(claims).into()), "azp": options.client_id, "azpacr": "1", "tid": tenant,
        "ver": "2.0", "oid": DEFAULT_APPLICATION_OID, "sub": DEFAULT_APPLICATION_OID, "idtyp": "app",
        "uti": authority.issuance.next_uti(),
    }));
    let lists =
        [("roles", Value::from(authority.policy.lock().app_roles.clone())), ("xms_cc", claims.capabilities().into())];
    let stated = lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
    members.extend(stated.map(|(name, list)| (name.to_owned(), list)));
    members
}
