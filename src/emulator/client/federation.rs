//! Federated credentials: tokens of another issuer, of a workload or a managed identity, in place of a certificate.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::emulator::{
    authority::Authority,
    clock::unix_now,
    grant::tenant_id,
    jwt::{self, Decoded},
    mint::{TokenVersion, issuer},
    refusal::Refusal,
};

/// A token that stands for the registration: who issued it, about whom, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// `iss`, in which `{url}` stands for the emulator's address and `{tenant}` for its tenant. Only tokens that the
    /// emulator signs itself can be verified. Default: `{url}/workload`, the issuer of
    /// [`Emulator::mint_federated`](crate::emulator::Emulator::mint_federated).
    #[serde(default = "workload_issuer")]
    pub issuer: String,
    /// `sub`, compared exactly.
    pub subject: String,
    /// `aud`. Default: `api://AzureADTokenExchange`.
    #[serde(default = "exchange_audience")]
    pub audience: String,
}

impl FederatedCredential {
    /// A workload, such as a Kubernetes service account, with a token of the emulator's workload issuer.
    #[must_use]
    pub fn workload(subject: &str) -> Self {
        Self { issuer: workload_issuer(), subject: subject.to_owned(), audience: exchange_audience() }
    }

    /// A managed identity, with a token of the emulator's tenant.
    #[must_use]
    pub fn managed_identity(principal_id: &str) -> Self {
        Self { issuer: "{url}/{tenant}/v2.0".to_owned(), ..Self::workload(principal_id) }
    }

    fn matches(&self, authority: &Authority, claims: &Map<String, Value>) -> bool {
        let issuer = self.issuer.replace("{url}", &authority.url).replace("{tenant}", &authority.options.tenant_id);
        jwt::text(claims, "iss") == Some(&issuer)
            && jwt::text(claims, "sub") == Some(&self.subject)
            && jwt::texts(claims, "aud").contains(&self.audience.as_str())
    }
}

/// Accepts a token of a trusted issuer about a trusted subject.
pub(super) fn verify(authority: &Authority, assertion: &str) -> Result<(), Refusal> {
    let token = Decoded::parse(assertion).ok_or(Refusal::WrongClientAssertion("it is not a JWT"))?;
    let is_ours = is_own_tenants(authority, &token.claims);
    if is_ours && jwt::text(&token.claims, "idtyp") != Some("app") {
        return Err(Refusal::UsersToken);
    }
    if !authority.registry.trusts(|credential| credential.matches(authority, &token.claims)) {
        return Err(Refusal::UntrustedFederation);
    }
    if !is_signed(authority, is_ours, &token) {
        return Err(Refusal::WrongClientAssertion("its signature does not match a key of its issuer"));
    }
    check_time(&token.claims)
}

/// Whether the emulator's Entra, not its workload issuer, claims to have issued it.
fn is_own_tenants(authority: &Authority, claims: &Map<String, Value>) -> bool {
    let tenant = jwt::text(claims, "tid").and_then(tenant_id);
    tenant.is_some_and(|tenant| jwt::text(claims, "iss") == Some(&issuer(&authority.url, &tenant, TokenVersion::V2)))
}

fn is_signed(authority: &Authority, is_ours: bool, token: &Decoded<'_>) -> bool {
    let keys = if is_ours { &authority.keys } else { authority.workload.keys() };
    let key = jwt::text(&token.header, "kid").and_then(|kid| keys.lock().find(kid));
    let is_rs256 = jwt::text(&token.header, "alg") == Some("RS256");
    is_rs256 && key.is_some_and(|key| key.verifies(token.signing_input.as_bytes(), &token.signature))
}

fn check_time(claims: &Map<String, Value>) -> Result<(), Refusal> {
    let (now, time) = (unix_now(), |name: &str| claims.get(name).and_then(Value::as_i64));
    match (time("exp"), time("nbf")) {
        (Some(expiry), _) if expiry <= now => Err(Refusal::ClientAssertionTime("it has expired")),
        (None, _) => Err(Refusal::ClientAssertionTime("it never expires")),
        (_, Some(start)) if start > now => Err(Refusal::ClientAssertionTime("it is not yet good")),
        _ => Ok(()),
    }
}

fn workload_issuer() -> String {
    "{url}/workload".to_owned()
}

fn exchange_audience() -> String {
    TOKEN_EXCHANGE_AUDIENCE.to_owned()
}

/// The audience of tokens that stand for a client.
pub(in crate::emulator) const TOKEN_EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";
