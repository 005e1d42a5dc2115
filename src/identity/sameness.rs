//! What of an identity may outlive a change of the configuration: whatever hangs on settings that stayed the same.

use std::sync::Arc;
use std::time::Duration;

use super::{Identity, Tenant};

/// Compares all settings; what discovery said of a tenant is none.
impl PartialEq for Tenant {
    fn eq(&self, other: &Self) -> bool {
        // Taken apart, so that a new setting cannot be forgotten here.
        let Self { id, discovery, alternatives, discovery_v1, issuers, consent_uri, token_endpoint, endpoints: _ } =
            self;
        *id == other.id
            && *discovery == other.discovery
            && *alternatives == other.alternatives
            && *discovery_v1 == other.discovery_v1
            && *issuers == other.issuers
            && *consent_uri == other.consent_uri
            && *token_endpoint == other.token_endpoint
    }
}

impl Identity {
    /// With the tenants of an earlier identity, and so with what discovery said of them, as far as they are the same
    /// tenants of the same provider, and the same authorities vouch for it.
    #[must_use]
    pub fn with_tenants_of(mut self, earlier: &Self) -> Self {
        if self.has_provider_of(earlier) {
            for tenant in self.tenants.iter_mut().chain([&mut self.anyone]) {
                let mut known = earlier.tenants.iter().chain([&earlier.anyone]);
                if let Some(known) = known.find(|known| *known == tenant) {
                    *tenant = Arc::clone(known);
                }
            }
        }
        self
    }

    /// Whether every token would be judged alike: all settings are the same but those of exchanges.
    pub fn verifies_like(&self, other: &Self) -> bool {
        let of_exchanges_left_out = |identity: &Self| Self {
            credentials: Vec::new(),
            timeout: Duration::ZERO,
            exchange_limit: None,
            ..identity.clone()
        };
        of_exchanges_left_out(self) == of_exchanges_left_out(other)
    }

    /// Whether it proves to be the same application by the same credentials.
    pub fn authenticates_like(&self, other: &Self) -> bool {
        self.name == other.name
            && self.client_id == other.client_id
            && self.credentials == other.credentials
            && self.has_provider_of(other)
    }

    /// Whether it is registered at the same provider, and knows it by the same authorities.
    fn has_provider_of(&self, other: &Self) -> bool {
        self.name == other.name && self.provider == other.provider && self.ca == other.ca
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Credential, Endpoints, Provider, SecretSource};
    use crate::secret::Secret;

    fn identity(issuer: &str) -> Identity {
        let tenant = Arc::new(Tenant::of_issuer(issuer));
        Identity {
            name: "default".into(),
            provider: Provider::Oidc { issuer: issuer.into() },
            tenants: vec![Arc::clone(&tenant)],
            anyone: tenant,
            client_id: "c".into(),
            credentials: vec![Credential::SecretPost(SecretSource::Value(Secret::new("one".to_owned())))],
            ca: None,
            audiences: vec!["c".into()],
            algorithms: Vec::new(),
            clock_skew: Duration::ZERO,
            timeout: Duration::from_secs(10),
            key_refresh: Duration::from_hours(1),
            exchange_limit: None,
        }
    }

    fn discovered(issuer: &str) -> Identity {
        let identity = identity(issuer);
        identity.anyone.publish(Endpoints { token: "https://a/t".into(), authorization: None });
        identity
    }

    #[test]
    fn what_discovery_said_does_not_tell_tenants_apart_and_is_kept() {
        let earlier = discovered("https://a");
        let kept = identity("https://a").with_tenants_of(&earlier);
        assert_eq!(kept, earlier);
        assert!(Arc::ptr_eq(&kept.anyone, &earlier.anyone) && Arc::ptr_eq(&kept.tenants[0], &earlier.tenants[0]));
    }

    #[test]
    fn nothing_is_kept_of_another_provider_or_one_that_others_vouch_for() {
        let earlier = discovered("https://a");
        assert!(identity("https://b").with_tenants_of(&earlier).anyone.endpoints().is_none());
        let other_authorities = Identity { ca: Some(Vec::new()), ..identity("https://a") };
        assert!(other_authorities.with_tenants_of(&earlier).anyone.endpoints().is_none());
    }

    #[test]
    fn only_settings_of_exchanges_leave_verdicts_as_they_are() {
        let one = identity("https://a");
        let secret = vec![Credential::SecretPost(SecretSource::Value(Secret::new("two".to_owned())))];
        assert!(one.verifies_like(&Identity { credentials: secret.clone(), ..one.clone() }));
        assert!(!one.authenticates_like(&Identity { credentials: secret, ..one.clone() }));
        assert!(one.verifies_like(&Identity { timeout: Duration::from_secs(1), ..one.clone() }));
        for other in [
            Identity { audiences: Vec::new(), ..one.clone() },
            Identity { clock_skew: Duration::from_secs(1), ..one.clone() },
            Identity { algorithms: vec![jsonwebtoken::Algorithm::RS256], ..one.clone() },
            identity("https://b"),
        ] {
            assert!(!one.verifies_like(&other), "{other:?}");
        }
    }
}
