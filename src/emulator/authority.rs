//! The state of the identity provider, shared by its endpoints and its in-process handle.

use std::{borrow::Cow, io};

use serde_json::{Map, Value};

use super::{
    client::Registry,
    fault::Faults,
    grant::{Codes, RefreshTokens},
    guarded::Guarded,
    keys::{KeyRing, SigningKey},
    lazy_keys::LazyKeys,
    mint::{Issuer, TokenRequest},
    observations::Observations,
    options::EmulatorOptions,
    policy::Policy,
    refusal::Refusal,
    revocation::Issuance,
    signer::Signer,
};

/// One identity provider.
pub(super) struct Authority {
    pub(super) options: EmulatorOptions,
    /// The address that issuers and metadata state, without a trailing slash.
    pub(super) url: String,
    pub(super) registry: Registry,
    pub(super) keys: Guarded<KeyRing>,
    /// The keys of the workload issuer.
    pub(super) workload: LazyKeys,
    /// The keys of the realms.
    pub(super) realm: LazyKeys,
    pub(super) policy: Guarded<Policy>,
    pub(super) faults: Faults,
    pub(super) observations: Observations,
    pub(super) issuance: Issuance,
    pub(super) codes: Codes,
    pub(super) refresh_tokens: RefreshTokens,
}

impl Authority {
    /// A provider that listens at `local_url`.
    pub(super) fn new(options: EmulatorOptions, local_url: &str, key: SigningKey) -> io::Result<Self> {
        let url = options.public_url.as_deref().unwrap_or(local_url).trim_end_matches('/').to_owned();
        Ok(Self {
            url,
            registry: Registry::new(&options)?,
            keys: Guarded::new(KeyRing::new(key)),
            workload: LazyKeys::default(),
            realm: LazyKeys::default(),
            policy: Guarded::new(options.policy.clone()),
            faults: Faults::default(),
            observations: Observations::default(),
            issuance: Issuance::default(),
            codes: Codes::default(),
            refresh_tokens: RefreshTokens::default(),
            options,
        })
    }

    /// The address of a tenant's token endpoint.
    pub(super) fn token_endpoint(&self, tenant: &str) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.url)
    }

    /// A caller's token, signed in the given way.
    pub(super) fn mint(&self, request: &TokenRequest, signer: Signer) -> String {
        let issuer = Issuer {
            url: &self.url,
            tenant: &self.options.tenant_id,
            client_id: &self.options.client_id,
            uti: self.issuance.next_uti(),
        };
        let key = self.keys.lock().current();
        let request = self.after_step_up(request);
        let header = Value::Object(request.header(signer.algorithm(), key.kid()));
        signer.sign(&header.to_string(), &Value::Object(request.claims(&issuer)).to_string(), &key)
    }

    /// A token with these claims, signed with the current key.
    pub(super) fn sign(&self, claims: &Map<String, Value>) -> String {
        let key = self.keys.lock().current();
        let header = TokenRequest::default().header(Signer::Current.algorithm(), key.kid());
        let claims = serde_json::to_string(claims).unwrap_or_default();
        Signer::Current.sign(&Value::Object(header).to_string(), &claims, &key)
    }

    /// The request after its user has done what the policy's challenge asks, if that is what it shall satisfy.
    fn after_step_up<'r>(&self, request: &'r TokenRequest) -> Cow<'r, TokenRequest> {
        let policy = self.policy.lock();
        let challenge = request.claims_challenge.as_ref();
        match challenge.and_then(|challenge| policy.context_for(challenge)) {
            Some(context) if !request.satisfies(context) => Cow::Owned(request.clone().stepped_up(context)),
            _ => Cow::Borrowed(request),
        }
    }

    /// Signs with a new key from now on, and returns its identifier.
    pub(super) fn rotate_key(&self, keep_old: bool) -> io::Result<String> {
        let key = SigningKey::generate()?;
        let kid = key.kid().to_owned();
        self.keys.lock().rotate(key, keep_old);
        Ok(kid)
    }

    /// Revokes all that a user's sign-ins gave so far.
    pub(super) fn revoke_all(&self, oid: &str) {
        self.issuance.revoke_all(oid);
        self.refresh_tokens.end(oid, &Refusal::Revoked);
    }

    /// Ends a user's refresh tokens given so far, and nothing else.
    pub(super) fn end_refresh_tokens(&self, oid: &str) {
        self.refresh_tokens.end(oid, &Refusal::EndedRefreshToken);
    }

    /// Back to the state after the start, except for the keys.
    pub(super) fn reset(&self) {
        *self.policy.lock() = self.options.policy.clone();
        self.faults.clear();
        self.observations.clear();
        self.issuance.clear();
        self.codes.clear();
        self.registry.reset(&self.options);
        self.refresh_tokens.restore();
    }
}
