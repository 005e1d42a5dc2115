//! A route with everything that carrying it out needs, made once when the configuration is loaded.

use std::sync::Arc;

use super::target::{Target, TargetSettings};
use crate::caller::{Requirements, Verifier};
use crate::exchange::{Exchange, Grant};
use crate::identity::Identity;
use crate::route::Pattern;

/// One route of `routes.yaml`, checked.
#[derive(Debug, Clone)]
pub struct RouteSettings {
    /// Its name in logs and metrics.
    pub name: Arc<str>,
    /// Which requests take it.
    pub pattern: Pattern,
    /// Where they go.
    pub target: TargetSettings,
    /// The position of its identity among those of the configuration.
    pub identity: usize,
    /// How token A becomes what the target gets.
    pub grant: Grant,
    /// What the caller's token must have.
    pub require: Requirements,
}

/// A route, ready.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) name: Arc<str>,
    pub(super) target: Arc<Target>,
    pub(super) verifier: Arc<Verifier>,
    /// `None` where nothing is exchanged and the request goes on without a credential.
    pub(super) exchange: Option<Arc<Exchange>>,
    pub(super) require: Requirements,
    pub(super) identity: Arc<Identity>,
}

impl Route {
    pub(super) fn new(settings: RouteSettings, identity: &Arc<Identity>, verifier: Arc<Verifier>) -> Self {
        let exchange = match &settings.grant {
            Grant::OnBehalfOf { scopes } => Some(Arc::new(Exchange::on_behalf_of(Arc::clone(identity), scopes))),
            Grant::None => None,
        };
        Self {
            name: settings.name,
            target: Arc::new(Target::new(settings.target)),
            verifier,
            exchange,
            require: settings.require,
            identity: Arc::clone(identity),
        }
    }
}
