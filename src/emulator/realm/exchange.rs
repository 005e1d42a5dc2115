//! Token exchange (RFC 8693): a subject's token for one that another audience accepts.

use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::{
    RealmTokenRequest,
    answer::{Exchanged, RealmRefusal},
    issuer, mint,
};
use crate::emulator::{
    authority::Authority,
    clock::unix_now,
    form::Form,
    jwt::{self, Decoded},
    saml::SamlVersion,
    scope::asks_for,
    signer::Signer,
};

/// Exchanges the form's subject token.
pub(super) fn exchange(authority: &Authority, realm: &str, form: &Form) -> Result<Exchanged, RealmRefusal> {
    if ["actor_token", "actor_token_type"].iter().any(|name| form.find(name).is_some()) {
        return Err(RealmRefusal::request("Parameter 'actor_token' is not supported"));
    }
    if !SUBJECT_TYPES.contains(&form.require("subject_token_type")?) {
        return Err(RealmRefusal::request("Parameter 'subject_token_type' is not supported"));
    }
    let issued = IssuedType::parse(form.find("requested_token_type"))?;
    let subject = subject(authority, realm, form.require("subject_token")?).map_err(RealmRefusal::request)?;
    let exchange = Exchange {
        authority,
        realm,
        targets: targets(authority, form)?,
        scope: scope(authority, form, &subject)?,
        subject,
    };
    Ok(exchange.grant(issued))
}

/// The claims of a token of this realm for the client, or why it is none.
fn subject(authority: &Authority, realm: &str, token: &str) -> Result<Map<String, Value>, &'static str> {
    let token = Decoded::parse(token).ok_or("The subject token is not a JWT")?;
    let key = jwt::text(&token.header, "kid").and_then(|kid| authority.realm.keys().lock().find(kid));
    let is_rs256 = jwt::text(&token.header, "alg") == Some("RS256");
    if !is_rs256 || !key.is_some_and(|key| key.verifies(token.signing_input.as_bytes(), &token.signature)) {
        return Err("The subject token's signature does not match");
    }
    if jwt::text(&token.claims, "iss") != Some(&issuer(authority, realm)) {
        return Err("The subject token is another issuer's");
    }
    if token.claims.get("exp").and_then(Value::as_i64).is_none_or(|expiry| expiry <= unix_now()) {
        return Err("The subject token has expired");
    }
    if !jwt::texts(&token.claims, "aud").iter().any(|audience| authority.options.accepts_audience(audience)) {
        return Err("Client is not within the token audience");
    }
    Ok(token.claims)
}

/// The audiences and resources that the token is for.
fn targets(authority: &Authority, form: &Form) -> Result<Vec<String>, RealmRefusal> {
    let (audiences, resources) = (form.find_all("audience"), form.find_all("resource"));
    // RFC 8707, section 2.
    let is_resource = |resource: &&str| Url::parse(resource).is_ok_and(|resource| resource.fragment().is_none());
    if !resources.iter().all(is_resource) {
        return Err(RealmRefusal::target("A resource is no absolute URI, or has a fragment"));
    }
    let targets: Vec<_> = audiences.into_iter().chain(resources).map(str::to_owned).collect();
    if authority.policy.lock().refuses_target(&targets) {
        return Err(RealmRefusal::target("A target is unknown"));
    }
    Ok(targets)
}

/// What is asked for, or else what the subject token has.
fn scope(authority: &Authority, form: &Form, subject: &Map<String, Value>) -> Result<String, RealmRefusal> {
    let scope = form.find("scope").or_else(|| jwt::text(subject, "scope")).unwrap_or("");
    if authority.policy.lock().refuses_scope(scope) {
        return Err(RealmRefusal::scope("Invalid scopes"));
    }
    Ok(scope.to_owned())
}

/// What kind of token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IssuedType {
    AccessToken,
    Jwt,
    Saml2,
}

impl IssuedType {
    fn parse(requested: Option<&str>) -> Result<Self, RealmRefusal> {
        match requested {
            None | Some(ACCESS_TOKEN) => Ok(Self::AccessToken),
            Some(JWT) => Ok(Self::Jwt),
            Some(SAML2) => Ok(Self::Saml2),
            Some(_) => Err(RealmRefusal::request("Parameter 'requested_token_type' is not supported")),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AccessToken => ACCESS_TOKEN,
            Self::Jwt => JWT,
            Self::Saml2 => SAML2,
        }
    }

    /// Only what was asked for as an access token says how it is to be used.
    fn token_type(self) -> &'static str {
        if self == Self::AccessToken { "Bearer" } else { "N_A" }
    }
}

/// An exchange that nothing stands against any more.
struct Exchange<'e> {
    authority: &'e Authority,
    realm: &'e str,
    subject: Map<String, Value>,
    targets: Vec<String>,
    scope: String,
}

impl Exchange<'_> {
    fn grant(&self, issued: IssuedType) -> Exchanged {
        let expires_in = self.authority.options.expires_in;
        let refresh_token = asks_for(&self.scope, "offline_access").then(|| Uuid::new_v4().to_string());
        Exchanged {
            access_token: if issued == IssuedType::Saml2 { self.assertion() } else { self.token() },
            issued_token_type: issued.name(),
            token_type: issued.token_type(),
            expires_in,
            scope: self.scope.clone(),
            refresh_token,
        }
    }

    fn token(&self) -> String {
        let inherited = self.subject.get("preferred_username").cloned();
        let request = RealmTokenRequest {
            realm: self.realm.to_owned(),
            aud: self.targets.clone(),
            sub: Some(self.user().to_owned()),
            azp: Some(self.authority.options.client_id.clone()),
            scope: Some(self.scope.clone()),
            lifetime: Some(self.authority.options.expires_in.into()),
            claims: inherited.into_iter().map(|name| ("preferred_username".to_owned(), name)).collect(),
            ..RealmTokenRequest::default()
        };
        mint(self.authority, &request, Signer::Current)
    }

    fn assertion(&self) -> String {
        let audience = self.targets.first().unwrap_or(&self.authority.options.client_id);
        let lifetime = self.authority.options.expires_in.into();
        SamlVersion::Saml2.assertion(&issuer(self.authority, self.realm), self.user(), audience, lifetime)
    }

    fn user(&self) -> &str {
        jwt::text(&self.subject, "sub").unwrap_or("")
    }
}

/// The grant.
pub(in crate::emulator) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const SAML2: &str = "urn:ietf:params:oauth:token-type:saml2";

/// The kinds of subject token that are understood.
const SUBJECT_TYPES: [&str; 2] = [ACCESS_TOKEN, JWT];
