//! A route with everything that carrying it out needs, made once when the configuration is loaded.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;

use super::party::Party;
use super::rate_limits::RateLimits;
use super::resource_metadata::{ResourceMetadata, ResourceMetadataSettings};
use super::target::{Backend, Target, TargetSettings};
use crate::caller::{Claims, Kind, Requirements, VerifiedCaller, Verifier};
use crate::exchange::{Authenticator, Exchange, Grant, Unusable};
use crate::identity::Identity;
use crate::idp::{ClientError, IdpClient};
use crate::limit::RateLimit;
use crate::rejection::Rejection;
use crate::route::Pattern;
use crate::telemetry::{Metrics, RouteMetrics};

/// One route of `routes.yaml`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteSettings {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// The line of the file that it begins on.
    pub line: u64,
    /// Which requests take it.
    pub pattern: Pattern,
    /// Where they go.
    pub target: TargetSettings,
    /// The position of its identity among those of the configuration.
    pub identity: usize,
    /// What it does for callers that are users; none means that it serves no users.
    pub users: Option<ServiceSettings>,
    /// What it does for callers that are applications on their own; none means that it serves none of these.
    pub apps: Option<ServiceSettings>,
    /// What it tells clients about getting tokens; none means that it has no metadata.
    pub metadata: Option<ResourceMetadataSettings>,
    /// The longest request body, in bytes; none means any length.
    pub max_body: Option<u64>,
    /// How many requests it admits; all of these hold.
    pub rate_limits: Vec<RateLimit>,
}

/// What a route does for one kind of caller.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSettings {
    /// How token A becomes what the target gets.
    pub grant: Grant,
    /// What the caller's token must have.
    pub require: Requirements,
}

/// A route, ready.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) identity: Arc<Identity>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) metadata: Option<ResourceMetadata>,
    max_body: Option<u64>,
    pub(super) limits: RateLimits,
    pub(super) metrics: RouteMetrics,
    users: Option<Service>,
    apps: Option<Service>,
    /// What it was made of.
    settings: RouteSettings,
}

/// What a route does for one kind of caller, ready.
#[derive(Debug)]
pub(super) struct Service {
    /// `None` where nothing is exchanged and the request goes on without a credential.
    pub(super) exchange: Option<Arc<Exchange>>,
    pub(super) require: Requirements,
}

/// Why a route cannot be made ready.
#[derive(Debug)]
pub(super) enum RouteError {
    Credential(Unusable),
    Client(ClientError),
}

impl Route {
    /// A route with these settings, in the name of `party`, to a target behind `backend` and with `limits` that have
    /// these settings.
    pub(super) fn new(
        settings: RouteSettings,
        party: &Party,
        backend: Arc<Backend>,
        limits: RateLimits,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, RouteError> {
        let ca = settings.target.ca.as_deref();
        let service = |service: &ServiceSettings| Service::new(service.clone(), party, ca, metrics);
        let metadata = settings.metadata.clone();
        Ok(Self {
            name: Arc::clone(&settings.name),
            max_body: settings.max_body,
            metadata: metadata.map(|metadata| ResourceMetadata::new(metadata, &settings.pattern.path)),
            limits,
            metrics: metrics.route(&settings.name),
            users: settings.users.as_ref().map(service).transpose()?,
            apps: settings.apps.as_ref().map(service).transpose()?,
            target: Target::new(settings.target.path.clone(), backend),
            identity: Arc::clone(&party.identity),
            verifier: Arc::clone(&party.verifier),
            settings,
        })
    }

    /// What it was made of.
    pub(super) fn settings(&self) -> &RouteSettings {
        &self.settings
    }

    /// Whether it is what these settings and this very party would make. Where it stands in the file is no matter.
    pub(super) fn is_made_of(&self, settings: &RouteSettings, party: &Party) -> bool {
        let RouteSettings { name, line: _, pattern, target, identity: _, users, apps, metadata, max_body, rate_limits } =
            settings;
        let own = &self.settings;
        // The same identity is the same party; its position in the file may have changed.
        Arc::ptr_eq(&self.identity, &party.identity)
            && (&own.name, &own.pattern, &own.target) == (name, pattern, target)
            && (&own.users, &own.apps, &own.metadata) == (users, apps, metadata)
            && (&own.max_body, &own.rate_limits) == (max_body, rate_limits)
    }

    /// Whether it takes a body of this many bytes.
    ///
    /// # Errors
    /// Where it does not.
    pub(super) fn check_length(&self, bytes: u64) -> Result<(), Rejection> {
        if self.max_body.is_some_and(|most| bytes > most) { Err(Rejection::BodyTooLarge) } else { Ok(()) }
    }

    /// What it does for this caller.
    ///
    /// # Errors
    /// Where it does not serve callers of this kind, or the caller lacks what is required.
    pub(super) fn service(&self, caller: &VerifiedCaller) -> Result<&Service, Rejection> {
        self.service_for(caller.claims())
    }

    /// What it would do for a caller with these claims; see [`Route::service`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn service_for(&self, claims: &Claims) -> Result<&Service, Rejection> {
        let service = match (claims.kind() == Kind::App, &self.users, &self.apps) {
            (true, _, None) => return Err(Rejection::AppOnlyToken),
            (false, None, _) => return Err(Rejection::UserToken),
            (true, _, Some(service)) | (false, Some(service), _) => service,
        };
        let lacking = |lacking| Rejection::Lacking(lacking, service.require.scopes.clone());
        service.require.check(claims).map_err(lacking)?;
        Ok(service)
    }

    /// What it does for users.
    pub(super) fn users(&self) -> Option<&Service> {
        self.users.as_ref()
    }

    /// What it does for applications on their own.
    pub(super) fn apps(&self) -> Option<&Service> {
        self.apps.as_ref()
    }

    /// The credentials that only this route uses.
    pub(super) fn authenticators(&self) -> impl Iterator<Item = &Arc<Authenticator>> {
        let services = self.users.iter().chain(&self.apps);
        services.filter_map(|service| service.exchange.as_ref()).map(|exchange| exchange.authenticator())
    }
}

impl Service {
    fn new(
        settings: ServiceSettings,
        party: &Party,
        target_ca: Option<&[CertificateDer<'static>]>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, RouteError> {
        let Party { identity, authenticator, client, limiter, .. } = party;
        // The target's own token endpoint is vouched for by whoever vouches for the target.
        let asks_target = settings.grant.asks_target();
        let target = if asks_target { IdpClient::new(target_ca).map_err(RouteError::Client)? } else { client.clone() };
        let exchange = Exchange::new(identity, authenticator, client, &target, settings.grant, metrics);
        let exchange = exchange.map_err(RouteError::Credential)?;
        let exchange = exchange.map(|exchange| Arc::new(exchange.limited_by(limiter.clone())));
        Ok(Self { exchange, require: settings.require })
    }
}
