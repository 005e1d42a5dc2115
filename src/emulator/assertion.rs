//! Verifies the assertion of an exchange: token A as the caller presented it.

use serde_json::{Map, Value};

use super::{
    authority::Authority,
    clock::unix_now,
    jwt::{self, Decoded},
    mint::{TokenVersion, issuer},
    refusal::Refusal,
};

/// The claims of a user's valid token for this client, or why it is none.
pub(super) fn verify(authority: &Authority, tenant: &str, token: &str) -> Result<Map<String, Value>, Refusal> {
    let decoded = Decoded::parse(token).ok_or(Refusal::MalformedAssertion)?;
    verify_signature(authority, &decoded)?;
    verify_issuer(authority, tenant, &decoded.claims)?;
    verify_audience(authority, &decoded.claims)?;
    verify_validity(&decoded.claims)?;
    verify_kind(&decoded.claims)?;
    if authority.issuance.is_grant_revoked(&decoded.claims) {
        return Err(Refusal::Revoked);
    }
    Ok(decoded.claims)
}

fn verify_signature(authority: &Authority, token: &Decoded<'_>) -> Result<(), Refusal> {
    if jwt::text(&token.header, "alg") != Some("RS256") {
        return Err(Refusal::UntrustedAssertion("its algorithm is not RS256"));
    }
    let kid = jwt::text(&token.header, "kid").ok_or(Refusal::UntrustedAssertion("it names no key"))?;
    let key = authority.keys.lock().find(kid).ok_or(Refusal::UntrustedAssertion("the key is unknown"))?;
    if key.verifies(token.signing_input.as_bytes(), &token.signature) {
        Ok(())
    } else {
        Err(Refusal::UntrustedAssertion("it does not match"))
    }
}

fn verify_issuer(authority: &Authority, tenant: &str, claims: &Map<String, Value>) -> Result<(), Refusal> {
    let stated = jwt::text(claims, "iss").unwrap_or("");
    let known = [TokenVersion::V1, TokenVersion::V2].map(|version| issuer(&authority.url, tenant, version));
    if known.iter().any(|issuer| issuer == stated) {
        Ok(())
    } else {
        Err(Refusal::UntrustedAssertion("its issuer is not this tenant"))
    }
}

fn verify_audience(authority: &Authority, claims: &Map<String, Value>) -> Result<(), Refusal> {
    if jwt::text(claims, "aud").is_some_and(|audience| authority.options.accepts_audience(audience)) {
        Ok(())
    } else {
        Err(Refusal::WrongAudience)
    }
}

fn verify_validity(claims: &Map<String, Value>) -> Result<(), Refusal> {
    let (now, time) = (unix_now(), |name: &str| claims.get(name).and_then(Value::as_i64));
    match (time("exp"), time("nbf")) {
        (Some(expiry), not_before) if now < expiry && not_before.is_none_or(|start| start <= now) => Ok(()),
        _ => Err(Refusal::OutsideValidity),
    }
}

/// Without `scp` a token that names its client is an application's, and one that does not is an `id_token`.
fn verify_kind(claims: &Map<String, Value>) -> Result<(), Refusal> {
    let names_client = ["azp", "appid"].iter().any(|name| claims.contains_key(*name));
    match (jwt::text(claims, "idtyp"), jwt::text(claims, "scp")) {
        (Some("app"), _) => Err(Refusal::AppOnlyToken),
        (_, Some(_)) => Ok(()),
        (_, None) if names_client => Err(Refusal::AppOnlyToken),
        (_, None) => Err(Refusal::IdToken),
    }
}
