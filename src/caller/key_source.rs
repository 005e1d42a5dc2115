//! Where signing keys come from: discovery and JWKS, fetched in the background. Validations read the last good set and
//! never wait on a lock; a token with an unknown key may start one download, and at most one in a minute.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::discovery::{Discovery, DownloadError, Published};
use super::keys::{KeySet, SigningKey};
use crate::identity::{Identity, Tenant};
use crate::idp::IdpClient;
use crate::telemetry::Metrics;

/// The published keys of one tenant of an identity, kept fresh.
#[derive(Debug)]
pub(super) struct KeySource {
    shared: Arc<Shared>,
    tenant: Arc<Tenant>,
    current: ArcSwapOption<Published>,
    /// Whether the last download failed.
    is_stale: AtomicBool,
    /// Wakes the schedule after a download that failed beside it.
    failed: Notify,
    downloads: Mutex<Downloads>,
}

/// What the key sources of one identity have in common.
#[derive(Debug)]
pub(super) struct Shared {
    identity: Arc<Identity>,
    client: IdpClient,
    metrics: Arc<Metrics>,
    /// Lets so many sources download on schedule at a time; the others wait for their turn.
    turns: Semaphore,
    /// The keys of all sources.
    keys: AtomicUsize,
}

/// What is known of a tenant's keys, for people.
#[derive(Debug, Clone)]
pub struct KeysKnown {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// How many keys are accepted.
    pub keys: usize,
    /// When they were loaded; nothing where that has never succeeded.
    pub loaded: Option<SystemTime>,
    /// Whether the last download failed.
    pub is_stale: bool,
}

/// The download that is under way, and when the last one was started for an unknown key.
#[derive(Debug, Default)]
struct Downloads {
    under_way: Option<watch::Receiver<bool>>,
    last_on_demand: Option<Instant>,
}

/// What is known of a key that is not in the set for an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// The identity provider does not publish it.
    NotPublished,
    /// The identity provider publishes it for other issuers.
    ForOthers,
    /// The last download failed: it may be a new key.
    Undecided,
}

impl Shared {
    pub(super) fn new(identity: Arc<Identity>, client: IdpClient, metrics: Arc<Metrics>) -> Self {
        Self { identity, client, metrics, turns: Semaphore::new(DOWNLOADS_AT_ONCE), keys: AtomicUsize::new(0) }
    }

    fn count_loaded(&self, before: usize, now: usize) {
        let all = (self.keys.fetch_add(now, Ordering::AcqRel) + now).saturating_sub(before);
        self.keys.fetch_sub(before, Ordering::AcqRel);
        self.metrics.keys_loaded(&self.identity.name, all, unix_now());
    }
}

impl KeySource {
    /// `known` is what the tenant has published already, as an earlier source of the same provider knows it.
    pub(super) fn new(shared: Arc<Shared>, tenant: Arc<Tenant>, known: Option<Arc<Published>>) -> Self {
        shared.keys.fetch_add(known.as_ref().map_or(0, |known| known.keys.len()), Ordering::AcqRel);
        Self {
            shared,
            tenant,
            current: ArcSwapOption::new(known),
            is_stale: AtomicBool::new(false),
            failed: Notify::new(),
            downloads: Mutex::default(),
        }
    }

    /// The tenant whose keys these are.
    pub(super) fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// What is published, as of the last good download.
    pub(super) fn current(&self) -> Option<Arc<Published>> {
        self.current.load_full()
    }

    /// What is known of the keys.
    pub(super) fn known(&self) -> KeysKnown {
        let current = self.current();
        KeysKnown {
            tenant: Arc::clone(&self.tenant),
            keys: current.as_ref().map_or(0, |published| published.keys.len()),
            loaded: current.and_then(|published| SystemTime::now().checked_sub(published.at.elapsed())),
            is_stale: self.is_stale.load(Ordering::Acquire),
        }
    }

    /// Whether keys have ever been loaded.
    pub(super) fn is_loaded(&self) -> bool {
        self.current.load().is_some()
    }

    /// Downloads on schedule, for ever; soon again after a failure, with the last good set kept.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        let mut failures = 0;
        let mut pause = self.first_pause();
        loop {
            let regular = failures == 0;
            tokio::select! {
                () = sleep(pause) => {}
                () = self.failed.notified(), if regular => sleep(jittered(retry_pause(1, true))).await,
            }
            pause = if self.download_in_turn().await {
                failures = 0;
                jittered(self.shared.identity.key_refresh)
            } else {
                failures += 1;
                jittered(retry_pause(failures, self.is_loaded()))
            };
        }
    }

    /// None, unless keys are there already.
    fn first_pause(&self) -> Duration {
        let current = self.current.load();
        let age = current.as_ref().map(|published| published.at.elapsed());
        age.map_or(Duration::ZERO, |age| jittered(self.shared.identity.key_refresh).saturating_sub(age))
    }

    /// Loads the keys if there are none yet.
    pub(super) async fn load_first(self: Arc<Self>) {
        if !self.is_loaded() {
            self.download_in_turn().await;
        }
    }

    /// Many tenants are not asked for all at the same moment.
    async fn download_in_turn(self: &Arc<Self>) -> bool {
        let _turn = self.shared.turns.acquire().await;
        finished(self.join_or_start()).await
    }

    /// Downloads now, whoever else may be doing so.
    ///
    /// # Errors
    /// Why nothing came of it, in words.
    pub(super) async fn download_now(&self) -> Result<(), String> {
        let outcome = self.download().await;
        let told = outcome.as_ref().map(drop).map_err(ToString::to_string);
        self.take_over(outcome);
        told
    }

    /// Looks for a key that the current set does not have for this issuer: waits for the download under way, or starts
    /// one if the last such start is long enough ago.
    ///
    /// # Errors
    /// [`Unknown`], where the key is not published or where that cannot be told.
    pub(super) async fn find_unknown(self: &Arc<Self>, key_id: &str, issuer: &str) -> Result<Arc<SigningKey>, Unknown> {
        if let Some(done) = self.join_or_start_on_demand() {
            finished(done).await;
        }
        let published = self.current().ok_or(Unknown::Undecided)?;
        match published.keys.find(key_id, issuer) {
            Some(key) => Ok(Arc::clone(key)),
            None if self.is_stale.load(Ordering::Acquire) => Err(Unknown::Undecided),
            None if published.keys.has(key_id) => Err(Unknown::ForOthers),
            None => Err(Unknown::NotPublished),
        }
    }

    fn join_or_start_on_demand(self: &Arc<Self>) -> Option<watch::Receiver<bool>> {
        let mut downloads = self.downloads();
        if let Some(under_way) = downloads.under_way() {
            return Some(under_way);
        }
        let now = Instant::now();
        if downloads.last_on_demand.is_some_and(|last| now < last + ON_DEMAND_PAUSE) {
            return None;
        }
        downloads.last_on_demand = Some(now);
        Some(self.start(&mut downloads))
    }

    fn join_or_start(self: &Arc<Self>) -> watch::Receiver<bool> {
        let mut downloads = self.downloads();
        downloads.under_way().unwrap_or_else(|| self.start(&mut downloads))
    }

    /// Starts a download as a task of its own: nobody who leaves can end it.
    fn start(self: &Arc<Self>, downloads: &mut Downloads) -> watch::Receiver<bool> {
        let (done, under_way) = watch::channel(false);
        downloads.under_way = Some(under_way.clone());
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = source.download().await;
            let succeeded = source.take_over(outcome);
            source.downloads().under_way = None;
            done.send_replace(succeeded);
        });
        under_way
    }

    async fn download(&self) -> Result<Published, DownloadError> {
        let previous = self.current();
        let empty = KeySet::default();
        let previous = previous.as_ref().map_or(&empty, |published| &published.keys);
        let deadline = Instant::now() + DOWNLOAD_TIMEOUT;
        let Shared { identity, client, .. } = &*self.shared;
        Discovery { identity, tenant: &self.tenant, client, deadline }.fetch(previous).await
    }

    fn take_over(&self, outcome: Result<Published, DownloadError>) -> bool {
        let (identity, tenant) = (&*self.shared.identity.name, self.tenant.id());
        match outcome {
            Ok(mut published) => {
                if let Some(endpoints) = published.endpoints.take() {
                    self.tenant.publish(endpoints);
                }
                tracing::info!(identity, tenant, keys = published.keys.len(), "signing keys loaded");
                let published = Arc::new(published);
                let previous = self.current.swap(Some(Arc::clone(&published)));
                let before = previous.as_ref().map_or(0, |previous| previous.keys.len());
                self.shared.count_loaded(before, published.keys.len());
                if let Some(previous) = previous {
                    previous.keys.retire_keys_missing_from(&published.keys);
                }
                self.is_stale.store(false, Ordering::Release);
                true
            }
            Err(error) => {
                let kept = self.current.load().as_ref().map_or(0, |published| published.keys.len());
                tracing::warn!(identity, tenant, kept_keys = kept, reason = %error, "failed to load signing keys");
                self.shared.metrics.key_download_failed(identity);
                self.is_stale.store(true, Ordering::Release);
                self.failed.notify_waiters();
                false
            }
        }
    }

    fn downloads(&self) -> std::sync::MutexGuard<'_, Downloads> {
        self.downloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(any(test, fuzzing))]
impl KeySource {
    /// Takes this for what is published, for ever: no unknown key starts a download.
    pub(super) fn settle(&self, published: Published) {
        self.current.store(Some(Arc::new(published)));
        self.downloads().last_on_demand = Some(Instant::now() + Duration::from_hours(24 * 365));
    }
}

impl Downloads {
    /// The download under way; one whose task is gone does not count.
    fn under_way(&self) -> Option<watch::Receiver<bool>> {
        self.under_way.clone().filter(|under_way| under_way.has_changed().is_ok())
    }
}

/// Waits for a download; one that never reports counts as failed.
async fn finished(mut done: watch::Receiver<bool>) -> bool {
    let limit = Instant::now() + DOWNLOAD_TIMEOUT + Duration::from_secs(1);
    match timeout_at(limit, done.changed()).await {
        Ok(Ok(())) => *done.borrow(),
        _ => false,
    }
}

/// Half a second, doubled up to 15 seconds, or up to five minutes where there are keys to serve with.
fn retry_pause(failures: u32, loaded: bool) -> Duration {
    let longest = if loaded { Duration::from_mins(5) } else { Duration::from_secs(15) };
    Duration::from_millis(500).saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest)
}

/// Up to a tenth less, so that many proxies do not ask at the same moment.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - 0.1 * fastrand::f64())
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The least time between two downloads that unknown keys start.
const ON_DEMAND_PAUSE: Duration = Duration::from_mins(1);

/// The downloads on schedule that one identity has under way at a time.
const DOWNLOADS_AT_ONCE: usize = 8;

/// The time that discovery and keys together may take.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(5);
