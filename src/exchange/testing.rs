//! What the unit tests of this module share.

use std::sync::Arc;
use std::time::Duration;

use super::credential::Authenticator;
use super::definition::Exchange;
use super::grant::Grant;
use crate::identity::{Credential, Identity, Provider, SecretSource, Tenant};
use crate::idp::IdpClient;
use crate::secret::Secret;
use crate::telemetry::Metrics;

pub(super) fn identity(name: &str, client_id: &str) -> Identity {
    let authority = "https://login.microsoftonline.com";
    let tenant = Arc::new(Tenant::entra(authority, "11111111-2222-3333-4444-555555555555", client_id));
    Identity {
        name: name.into(),
        provider: Provider::Entra { authority: authority.into() },
        tenants: vec![Arc::clone(&tenant)],
        anyone: tenant,
        client_id: client_id.into(),
        credentials: vec![Credential::SecretPost(SecretSource::Value(Secret::new("s".to_owned())))],
        ca: None,
        audiences: Vec::new(),
        algorithms: Vec::new(),
        clock_skew: Duration::ZERO,
        timeout: Duration::from_secs(10),
        key_refresh: Duration::from_hours(1),
        exchange_limit: None,
    }
}

impl Exchange {
    pub(super) fn for_test(identity: &Identity, grant: Grant) -> Self {
        let (identity, metrics) = (Arc::new(identity.clone()), Arc::new(Metrics::new().unwrap()));
        let client = IdpClient::new(None).unwrap();
        let (name, id, credentials) = (Arc::clone(&identity.name), &*identity.client_id, &identity.credentials);
        let authenticator = Authenticator::load(name, id, credentials, &client, Arc::clone(&metrics)).unwrap();
        Self::new(&identity, &Arc::new(authenticator), &client, &client, grant, &metrics).unwrap().unwrap()
    }
}
