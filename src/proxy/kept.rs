//! What a configuration takes over from the one before it: routes whose settings stayed the same, with all that belongs
//! to them, and of the others the limits that did.

use std::collections::HashMap;
use std::sync::Arc;

use super::generation::Generation;
use super::party::Party;
use super::rate_limits::RateLimits;
use super::route::{Route, RouteSettings};

/// The routes of a configuration that is about to be replaced.
#[derive(Debug)]
pub(super) struct Kept(HashMap<Arc<str>, Arc<Route>>);

/// What there was of a route.
#[derive(Debug)]
pub(super) enum Earlier {
    /// It is the same.
    Same(Arc<Route>),
    /// It has other settings or another party.
    Changed(Arc<Route>),
    /// There was none of that name.
    None,
}

impl Earlier {
    /// The limits of the route, if they are these: what callers have used of them is not forgotten.
    pub(super) fn limits(&self, settings: &RouteSettings, capacity: usize) -> RateLimits {
        match self {
            Self::Same(route) | Self::Changed(route) if route.settings().rate_limits == settings.rate_limits => {
                route.limits.clone()
            }
            _ => RateLimits::new(&settings.rate_limits, capacity),
        }
    }
}

impl Kept {
    pub(super) fn of(earlier: Option<&Generation>) -> Self {
        let routes = earlier.into_iter().flat_map(|earlier| earlier.gate.routes.iter());
        Self(routes.map(|route| (Arc::clone(&route.name), Arc::clone(route))).collect())
    }

    /// The route of that name, and whether it is the same: with these settings, in the name of this very party.
    pub(super) fn take(&mut self, settings: &RouteSettings, party: &Party) -> Earlier {
        match self.0.remove(&settings.name) {
            Some(route) if route.is_made_of(settings, party) => Earlier::Same(route),
            Some(route) => Earlier::Changed(route),
            None => Earlier::None,
        }
    }
}
