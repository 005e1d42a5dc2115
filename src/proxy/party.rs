//! An identity with what acts in its name, taken over from an earlier configuration as far as the settings allow.

use std::sync::Arc;

use super::generation::GatewayError;
use crate::caller::Verifier;
use crate::exchange::Authenticator;
use crate::identity::Identity;
use crate::idp::IdpClient;
use crate::limit::Limiter;
use crate::telemetry::Metrics;

/// An identity with what acts in its name. A clone is the same party.
#[derive(Debug, Clone)]
pub(super) struct Party {
    pub(super) identity: Arc<Identity>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) authenticator: Arc<Authenticator>,
    /// Reaches the identity provider.
    pub(super) client: IdpClient,
    /// Counts the exchanges that callers cause.
    pub(super) limiter: Option<Arc<Limiter>>,
}

impl Party {
    /// A party for `identity`.
    ///
    /// Of `earlier`, which has the same name, stays: everything, where all settings are the same; the verified callers,
    /// where only settings of exchanges differ; the signing keys, where provider, tenant and authorities are the same;
    /// the credentials, where they are the same at the same provider; the count of exchanges, where its limit is the same.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) fn new(
        identity: Identity,
        earlier: Option<&Self>,
        cache_entries: usize,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, GatewayError> {
        let Some(earlier) = earlier else { return Self::from_scratch(identity, cache_entries, metrics) };
        if *earlier.identity == identity {
            return Ok(earlier.clone());
        }
        let identity = Arc::new(identity.with_tenants_of(&earlier.identity));
        let same_authorities = identity.ca == earlier.identity.ca;
        let client = if same_authorities { earlier.client.clone() } else { client(&identity)? };
        let verifier = if identity.verifies_like(&earlier.identity) {
            Arc::clone(&earlier.verifier)
        } else {
            let (metrics, known) = (Arc::clone(metrics), Some(&*earlier.verifier));
            Arc::new(Verifier::new(Arc::clone(&identity), &client, cache_entries, metrics, known))
        };
        let authenticator = if identity.authenticates_like(&earlier.identity) {
            Arc::clone(&earlier.authenticator)
        } else {
            authenticator(&identity, &client, metrics)?
        };
        let limiter = if identity.exchange_limit == earlier.identity.exchange_limit {
            earlier.limiter.clone()
        } else {
            limiter(&identity, cache_entries)
        };
        Ok(Self { identity, verifier, authenticator, client, limiter })
    }

    fn from_scratch(identity: Identity, cache_entries: usize, metrics: &Arc<Metrics>) -> Result<Self, GatewayError> {
        let identity = Arc::new(identity);
        let client = client(&identity)?;
        let verifier = Verifier::new(Arc::clone(&identity), &client, cache_entries, Arc::clone(metrics), None);
        let authenticator = authenticator(&identity, &client, metrics)?;
        let limiter = limiter(&identity, cache_entries);
        Ok(Self { identity, verifier: Arc::new(verifier), authenticator, client, limiter })
    }
}

fn client(identity: &Identity) -> Result<IdpClient, GatewayError> {
    IdpClient::new(identity.ca.as_deref()).map_err(GatewayError::Client)
}

fn limiter(identity: &Identity, capacity: usize) -> Option<Arc<Limiter>> {
    identity.exchange_limit.map(|limit| Arc::new(Limiter::new(limit, capacity)))
}

fn authenticator(
    identity: &Identity,
    client: &IdpClient,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Authenticator>, GatewayError> {
    let (name, credentials) = (Arc::clone(&identity.name), &identity.credentials);
    let loaded = Authenticator::load(name, &identity.client_id, credentials, client, Arc::clone(metrics));
    loaded.map(Arc::new).map_err(GatewayError::Credential)
}
