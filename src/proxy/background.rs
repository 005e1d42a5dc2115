//! The work beside requests. What belongs to a part of a configuration begins when the part first serves and ends when
//! it no longer does; a part that is taken over by the next configuration goes on undisturbed.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::sleep;

use super::gateway::Gateway;
use super::generation::Generation;
use super::target::Backend;
use crate::caller::Verifier;
use crate::exchange::TENDING_INTERVAL;

/// Work beside requests.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A part of a configuration that has work of its own.
#[derive(Debug, Clone)]
enum Part {
    Verifier(Arc<Verifier>),
    Backend(Arc<Backend>),
}

/// The work of a part. The part is kept, so that no other one can have its address.
#[derive(Debug)]
struct Running {
    _part: Part,
    work: AbortHandle,
}

impl Part {
    /// Tells it from every other part that exists.
    fn address(&self) -> usize {
        match self {
            Self::Verifier(verifier) => Arc::as_ptr(verifier).addr(),
            Self::Backend(backend) => Arc::as_ptr(backend).addr(),
        }
    }

    async fn work(self) {
        match self {
            Self::Verifier(verifier) => verifier.keep_keys_fresh().await,
            Self::Backend(backend) => backend.tend().await,
        }
    }

    fn start(self) -> Running {
        let work = tokio::spawn(self.clone().work()).abort_handle();
        Running { _part: self, work }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Generation {
    /// The work of all parts, of which some runs already; whatever else runs ends.
    fn go_on(&self, mut running: HashMap<usize, Running>) -> HashMap<usize, Running> {
        let work = |part: Part| {
            let address = part.address();
            (address, running.remove(&address).unwrap_or_else(|| part.start()))
        };
        self.parts().map(work).collect()
    }

    fn parts(&self) -> impl Iterator<Item = Part> {
        let verifiers = self.verifiers().cloned().map(Part::Verifier);
        verifiers.chain(self.backends.iter().cloned().map(Part::Backend))
    }
}

impl Gateway {
    /// The work beside requests: keys, credentials, names, sweeping. Each future runs until it is dropped.
    pub fn background(&self) -> Vec<Background> {
        vec![Box::pin(self.clone().sweep()), Box::pin(self.clone().tend()), Box::pin(self.clone().keep_parts())]
    }

    /// Runs the work of the parts that serve, and takes apart what serves no more.
    async fn keep_parts(self) {
        let mut takeovers = self.takeovers.subscribe();
        let mut running = HashMap::new();
        loop {
            takeovers.borrow_and_update();
            // Thousands of parts that come and go at once must hold up no request.
            let generation = self.generation();
            let changed = spawn_blocking(move || generation.go_on(running)).await;
            running = changed.unwrap_or_else(|_| {
                tracing::error!("failed to begin the work beside requests");
                HashMap::new()
            });
            tokio::select! {
                changed = takeovers.changed() => if changed.is_err() { return },
                () = self.clone().take_apart() => {}
            }
        }
    }

    /// Requests hold what was replaced for a while. Whoever lets go last must not have to take it apart.
    async fn take_apart(self) {
        loop {
            let gateway = self.clone();
            let idle = spawn_blocking(move || gateway.drop_replaced()).await.unwrap_or(true);
            if idle {
                return std::future::pending().await;
            }
            sleep(PATIENCE).await;
        }
    }

    /// Drops the generations that nobody holds any more; whether none is left. Callers that only they know are
    /// forgotten at once: a request that lasts for days must not keep them.
    fn drop_replaced(&self) -> bool {
        let current = self.generation();
        let replaced = std::mem::take(&mut *self.replaced.lock());
        let serves = |verifier: &Arc<Verifier>| current.verifiers().any(|other| Arc::ptr_eq(other, verifier));
        for generation in &replaced {
            generation.verifiers().filter(|verifier| !serves(verifier)).for_each(|verifier| verifier.forget_all());
        }
        if !replaced.is_empty() {
            self.forget_series(&current);
        }
        let held: Vec<_> = replaced.into_iter().filter(|generation| Arc::strong_count(generation) > 1).collect();
        let mut replaced = self.replaced.lock();
        replaced.extend(held);
        replaced.is_empty()
    }

    /// Metrics tell of routes and identities that there are.
    fn forget_series(&self, current: &Generation) {
        let routes: HashSet<&str> = current.gate.routes.iter().map(|route| &*route.name).collect();
        self.metrics.retain_routes(&|route| routes.contains(route));
        let targets: HashSet<&str> = current.gate.routes.iter().map(|route| route.target.origin()).collect();
        self.metrics.retain_targets(&|target| targets.contains(target));
        let identities: HashSet<&str> = current.parties.iter().map(|party| &*party.identity.name).collect();
        self.metrics.retain_identities(&|identity| identities.contains(identity));
    }

    async fn sweep(self) {
        loop {
            sleep(SWEEP_INTERVAL).await;
            let generation = self.generation();
            // Full caches take a while to look through; requests must not wait behind that.
            let swept = spawn_blocking(move || {
                generation.verifiers().for_each(|verifier| verifier.sweep());
                generation.limiters().for_each(|limiter| limiter.sweep());
                generation.gate.exchanger.sweep();
            });
            if swept.await.is_err() {
                tracing::error!("failed to sweep the caches");
            }
        }
    }

    /// Files are read beside the threads that serve requests: a network file system may be slow.
    async fn tend(self) {
        loop {
            sleep(TENDING_INTERVAL).await;
            let authenticators = Arc::clone(&self.generation().authenticators);
            let tended = spawn_blocking(move || authenticators.iter().for_each(|it| it.tend()));
            if tended.await.is_err() {
                tracing::error!("failed to look at the credentials");
            }
        }
    }
}

/// How often ended entries leave the caches.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// How long requests are given to let go of what was replaced, before it is looked at again.
const PATIENCE: Duration = Duration::from_millis(250);
