//! What a user's sign-in gives a client: token A, and the tokens that client libraries expect beside it.

use serde_json::{Value, json};

use super::{Granted, refresh::RefreshGrant};
use crate::emulator::{
    authority::Authority,
    challenge::ClaimsChallenge,
    clock::unix_now,
    jwt::base64url,
    mint::{TokenRequest, TokenVersion, issuer, members, pairwise},
    refusal::Refusal,
    scope::{RequestedScopes, asks_for},
    signer::Signer,
    user::User,
};

/// A user who signed in to a client.
#[derive(Debug, Clone)]
pub(in crate::emulator) struct SignIn {
    pub(in crate::emulator) client_id: String,
    pub(in crate::emulator) tenant: String,
    pub(in crate::emulator) user: User,
    /// The client's own mark, which the `id_token` repeats.
    pub(in crate::emulator) nonce: Option<String>,
}

impl SignIn {
    /// Tokens for these scopes. What the policy's challenge asks of the user is done if `claims` asks for it.
    pub(super) fn grant(
        &self,
        authority: &Authority,
        scope: &str,
        claims: &ClaimsChallenge,
    ) -> Result<Granted, Refusal> {
        let scopes = RequestedScopes::parse_sign_in(scope)?;
        let request = self.token_a(authority, &scopes, claims);
        let token = authority.mint(&request, Signer::Current);
        let lifetime = u32::try_from(request.lifetime().saturating_sub(1)).unwrap_or(0);
        let refresh = || authority.refresh_tokens.issue(RefreshGrant::SignedIn(self.clone(), scope.to_owned()));
        Ok(Granted {
            scope: Some(scopes.granted(&authority.options.default_scopes)),
            refresh_token: scopes.offline_access.then(refresh),
            id_token: asks_for(scope, "openid").then(|| self.id_token(authority)),
            client_info: Some(self.client_info()),
            ..Granted::bearer(token, lifetime)
        })
    }

    /// The base64url of a JSON object that names user and tenant to client libraries.
    pub(in crate::emulator) fn client_info(&self) -> String {
        base64url(json!({"uid": self.user.oid, "utid": self.tenant}).to_string().as_bytes())
    }

    fn token_a(&self, authority: &Authority, scopes: &RequestedScopes, claims: &ClaimsChallenge) -> TokenRequest {
        let options = &authority.options;
        TokenRequest {
            tenant: Some(self.tenant.clone()),
            // A token of version 2.0 names its audience by client id, whatever the scope calls it.
            aud: Some(&scopes.resource).filter(|resource| !options.accepts_audience(resource)).cloned(),
            oid: Some(self.user.oid.clone()),
            azp: Some(self.client_id.clone()),
            scp: Some(scopes.scp(&options.default_scopes)),
            xms_cc: claims.capabilities().into_iter().map(str::to_owned).collect(),
            claims_challenge: Some(claims.clone()),
            claims: self.user.claims(),
            ..TokenRequest::default()
        }
    }

    /// Who the user is, for the client.
    pub(super) fn id_token(&self, authority: &Authority) -> String {
        let now = unix_now();
        let mut claims = members(json!({
            "aud": self.client_id, "iss": issuer(&authority.url, &self.tenant, TokenVersion::V2), "iat": now,
            "nbf": now, "exp": now.saturating_add(ID_TOKEN_LIFETIME), "oid": self.user.oid,
            "sub": pairwise(&self.user.oid, &self.client_id), "tid": self.tenant, "ver": "2.0",
            "uti": authority.issuance.next_uti(),
        }));
        claims.extend(self.user.claims());
        claims.extend(self.nonce.clone().map(|nonce| ("nonce".to_owned(), Value::from(nonce))));
        authority.sign(&claims)
    }
}

/// Seconds that an `id_token` lives.
const ID_TOKEN_LIFETIME: i64 = 3600;
