//! What every section needs: an identity provider, a target, and how much is to be done.

use tokio::runtime::Runtime;

use super::cost::Rounds;
use super::load::{self, Target};
use super::provider::Provider;

pub struct Scene {
    pub provider: Provider,
    /// `HOST:PORT`
    pub target: String,
    pub plan: Plan,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub rounds: Rounds,
    /// Cached tokens, routes, connections: each is measured up to so many.
    pub tokens: usize,
    pub routes: usize,
    pub connections: usize,
    /// Cold requests, one after the other.
    pub cold: usize,
    /// Callers of the crowd of first requests, and requests of each.
    pub crowd: (usize, usize),
    /// Starts, and reloads.
    pub repetitions: usize,
}

impl Scene {
    pub async fn new(plan: Plan) -> Self {
        Self { provider: Provider::start().await, target: Target::start().await.address, plan }
    }

    /// A provider on a runtime of its own, which takes the provider with it when it ends.
    pub fn mortal_provider() -> (Runtime, Provider) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let provider = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(Provider::start())).join().unwrap());
        (runtime, provider)
    }

    /// The one route of most sections; many requests at once are no fault of the target.
    pub fn route(&self) -> String {
        format!("routes:\n{}", self.route_at("/orders"))
    }

    /// A route to the target. All have the same exchange, so a caller has one token B for all of them.
    pub fn route_at(&self, path: &str) -> String {
        format!(
            "  - {{path: {path}, target: {{url: 'http://{}', max_requests: 20000}}, scopes: [{SCOPE}]}}\n",
            self.target
        )
    }

    /// A request of a new caller with this name.
    pub fn request(&self, user: &str) -> Vec<u8> {
        load::request(&self.provider.mint(user))
    }
}

/// Each of these that is not more than `most`.
pub fn steps(each: &[usize], most: usize) -> impl Iterator<Item = usize> {
    each.iter().copied().filter(move |step| *step <= most)
}

/// Of all routes.
pub const SCOPE: &str = "api://orders/x";
/// Callers at once, where nothing else is said.
pub const LANES: usize = 8;
