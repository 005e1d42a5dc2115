//! The grants of Entra's token endpoint: from a form to an answer or to a refusal.

mod client_credentials;
mod code;
mod granted;
mod on_behalf_of;
mod password;
mod refresh;
mod sign_in;

use axum::http::HeaderMap;
use uuid::Uuid;

use super::{
    authority::Authority,
    client::{self, Expected},
    form::Form,
    jwt,
    realm::TOKEN_EXCHANGE,
    refusal::Refusal,
    user::user_oid,
};

pub(super) use self::{
    code::{Code, CodeChallenge, Codes},
    granted::Granted,
    refresh::RefreshTokens,
    sign_in::SignIn,
};

/// A token request.
#[derive(Clone, Copy)]
pub(super) struct TokenCall<'r> {
    pub(super) authority: &'r Authority,
    /// The tenant in the path.
    pub(super) tenant: &'r str,
    pub(super) form: &'r Form,
    pub(super) headers: &'r HeaderMap,
}

impl TokenCall<'_> {
    /// Grants a token, or says why not.
    pub(super) fn answer(&self) -> Result<Granted, Refusal> {
        let grant_type = self.form.require("grant_type")?;
        let grant_type =
            GrantType::parse(grant_type).ok_or_else(|| Refusal::UnsupportedGrant(grant_type.to_owned()))?;
        self.form.refuse_repetition()?;
        match grant_type {
            GrantType::OnBehalfOf => on_behalf_of::exchange(self),
            GrantType::Password => password::sign_in(self),
            GrantType::AuthorizationCode => code::redeem(self),
            GrantType::RefreshToken => refresh::refresh(self),
            GrantType::ClientCredentials => client_credentials::act_for_itself(self),
        }
    }

    /// The `oid` of the user whom the request is about, as far as it says.
    pub(super) fn user(&self) -> Option<String> {
        match GrantType::parse(self.form.find("grant_type")?)? {
            GrantType::OnBehalfOf => {
                let claims = jwt::unverified_claims(self.form.find("assertion")?)?;
                jwt::text(&claims, "oid").map(str::to_owned)
            }
            GrantType::Password => self.form.find("username").map(user_oid),
            GrantType::AuthorizationCode => self.authority.codes.user_of(self.form.find("code")?),
            GrantType::RefreshToken => self.authority.refresh_tokens.user_of(self.form.find("refresh_token")?),
            GrantType::ClientCredentials => None,
        }
    }

    /// The tenant's id; names that stand for many tenants are refused.
    fn tenant_id(&self) -> Result<String, Refusal> {
        tenant_id(self.tenant).ok_or_else(|| Refusal::UnknownTenant(self.tenant.to_owned()))
    }

    /// The id of the tenant in which a user signs in.
    fn sign_in_tenant(&self) -> Result<String, Refusal> {
        sign_in_tenant(self.authority, self.tenant)
    }

    /// Authenticates the emulator's own registration.
    fn authenticate(&self, tenant: &str) -> Result<(), Refusal> {
        let expected = Expected {
            audiences: vec![self.authority.token_endpoint(tenant)],
            certificate_may_be_unnamed: false,
            may_be_federated: true,
        };
        client::authenticate(self.authority, &expected, self.form, self.headers)
    }

    /// The client in which a user signs in. Every client is known and public, except for the emulator's own
    /// registration and those that present a credential.
    fn sign_in_client(&self, tenant: &str) -> Result<&str, Refusal> {
        let client_id = self.form.find("client_id").unwrap_or("");
        if client_id.is_empty()
            || client_id == self.authority.options.client_id
            || client::has_credential(self.form, self.headers)
        {
            self.authenticate(tenant)?;
            return Ok(&self.authority.options.client_id);
        }
        Ok(client_id)
    }
}

/// The grants that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GrantType {
    OnBehalfOf,
    Password,
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
}

impl GrantType {
    fn parse(grant_type: &str) -> Option<Self> {
        match grant_type {
            JWT_BEARER => Some(Self::OnBehalfOf),
            "password" => Some(Self::Password),
            "authorization_code" => Some(Self::AuthorizationCode),
            "refresh_token" => Some(Self::RefreshToken),
            "client_credentials" => Some(Self::ClientCredentials),
            _ => None,
        }
    }
}

/// The name under which a grant is counted.
pub(super) fn label(grant_type: Option<&str>) -> &'static str {
    if grant_type == Some(TOKEN_EXCHANGE) {
        return "token_exchange";
    }
    match grant_type.and_then(GrantType::parse) {
        Some(GrantType::OnBehalfOf) => "on_behalf_of",
        Some(GrantType::Password) => "password",
        Some(GrantType::AuthorizationCode) => "authorization_code",
        Some(GrantType::RefreshToken) => "refresh_token",
        Some(GrantType::ClientCredentials) => "client_credentials",
        None => "other",
    }
}

/// A tenant's id in lower case, if it is a GUID in the usual form.
pub(super) fn tenant_id(tenant: &str) -> Option<String> {
    let id = Uuid::try_parse(tenant).ok()?.to_string();
    id.eq_ignore_ascii_case(tenant).then_some(id)
}

/// The id of the tenant in which a user signs in: where the path names many tenants, the emulator's own.
pub(super) fn sign_in_tenant(authority: &Authority, tenant: &str) -> Result<String, Refusal> {
    match tenant {
        "common" | "organizations" => Ok(authority.options.tenant_id.clone()),
        _ => tenant_id(tenant).ok_or_else(|| Refusal::UnknownTenant(tenant.to_owned())),
    }
}

/// A JWT as the grant (RFC 7523, section 2.1).
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
