//! Follows the file of the configuration: looks at it, reads it when it has changed or somebody asks, and reports what
//! came of it to the log, the metrics and the record.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::replace::{Replacing, unix_seconds};
use crate::config::{self, Findings, Settings};
use crate::reload::{Cause, LOOK_INTERVAL, Record, Watch};

/// What came of an attempt: the generation that serves now, or what stands in the way, a line each.
pub type Outcome = Result<u64, Vec<String>>;

/// A way to ask a running proxy to read its configuration again. A clone asks the same proxy.
#[derive(Debug, Clone)]
pub struct Reloads(mpsc::Sender<oneshot::Sender<Outcome>>);

/// The other end of [`Reloads`].
pub(super) type Requests = mpsc::Receiver<oneshot::Sender<Outcome>>;

impl Reloads {
    pub(super) fn channel() -> (Self, Requests) {
        let (sender, requests) = mpsc::channel(1);
        (Self(sender), requests)
    }

    /// Reads the configuration now, with every file that it names, and goes by it if nothing is wrong with it. `None`
    /// where the proxy does not serve.
    pub async fn reload(&self) -> Option<Outcome> {
        let (answer, outcome) = oneshot::channel();
        self.0.send(answer).await.ok()?;
        outcome.await.ok()
    }
}

/// Follows a file.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) file: PathBuf,
    pub(super) watch: Watch,
    pub(super) requests: Requests,
    pub(super) record: Arc<Record>,
    pub(super) replacing: Replacing,
    /// When an attempt is repeated that failed for a reason which is in no file.
    pub(super) retry_at: Option<Instant>,
}

/// Why an attempt failed.
enum Failure {
    /// Something is wrong with the files.
    Findings(Vec<String>),
    /// Something else, which may pass.
    Other(String),
}

impl Follower {
    /// Follows until the other end of `leaving` is dropped.
    pub(super) async fn follow(mut self, mut leaving: oneshot::Receiver<()>) -> Replacing {
        loop {
            tokio::select! {
                _ = &mut leaving => return self.replacing,
                Some(answer) = self.requests.recv() => {
                    self.reread_secrets().await;
                    let outcome = self.attempt(Cause::Request).await;
                    // Whoever asked may have left.
                    let _ = answer.send(outcome);
                }
                () = sleep(LOOK_INTERVAL) => {
                    if let Some(cause) = self.look().await {
                        let _ = self.attempt(cause).await;
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Option<Cause> {
        if self.retry_at.is_some_and(|at| Instant::now() >= at) {
            return Some(Cause::Retry);
        }
        // A network file system may be slow.
        let mut watch = std::mem::take(&mut self.watch);
        let (looked, has_changed) = spawn_blocking(move || {
            let has_changed = watch.look();
            (watch, has_changed)
        })
        .await
        .unwrap_or_default();
        self.watch = looked;
        has_changed.then_some(Cause::Change)
    }

    /// Credentials and the certificates of listeners follow their files by themselves; whoever asks need not wait.
    async fn reread_secrets(&self) {
        let (gateway, listeners) = (self.replacing.gateway.clone(), Arc::clone(&self.replacing.listeners));
        let reread = spawn_blocking(move || {
            gateway.reread_credentials();
            listeners.refresh_certificates(true);
        });
        if reread.await.is_err() {
            tracing::error!("failed to look at credentials and certificates");
        }
    }

    async fn attempt(&mut self, cause: Cause) -> Outcome {
        self.retry_at = None;
        let begun = Instant::now();
        let settings = match self.read().await {
            Ok(settings) => settings,
            Err(failure) => return Err(self.report_failure(cause, failure)),
        };
        let (text, routes, identities) = (settings.text, settings.routes.len(), settings.identities.len());
        if let Err(error) = self.replacing.replace(settings).await {
            return Err(self.report_failure(cause, Failure::Other(error.to_string())));
        }
        let generation = self.replacing.gateway.generations();
        self.record.replaced(cause, text, generation);
        let metrics = self.replacing.gateway.metrics().reloads();
        metrics.succeeded();
        metrics.serves(unix_seconds(SystemTime::now()), text.as_bytes());
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let cause = cause.as_str();
        tracing::info!(cause, generation, routes, identities, ?text, took_ms, "configuration reloaded");
        Ok(generation)
    }

    /// Reads and checks the files. Where one of them changes meanwhile, they may not belong together.
    async fn read(&mut self) -> Result<Settings, Failure> {
        for _ in 0..READINGS {
            if let (settings, true) = self.read_once().await? {
                return Ok(settings);
            }
            tracing::debug!("files of the configuration change while they are read");
        }
        Err(Failure::Other(format!("{}: files change while they are read", self.file.display())))
    }

    async fn read_once(&mut self) -> Result<(Settings, bool), Failure> {
        let file = self.file.clone();
        let read = spawn_blocking(move || {
            let settings = config::load(&file)?;
            let unchanged = settings.files.again() == settings.files;
            Ok::<_, Findings>((settings, unchanged))
        });
        match read.await {
            Ok(Ok((settings, unchanged))) => {
                self.watch = Watch::new(settings.files.clone());
                Ok((settings, unchanged))
            }
            Ok(Err(findings)) => {
                self.watch = Watch::new(findings.files().clone());
                Err(Failure::Findings(findings.lines()))
            }
            Err(_) => Err(Failure::Other("the configuration could not be read: a fault of the proxy".to_owned())),
        }
    }

    fn report_failure(&mut self, cause: Cause, failure: Failure) -> Vec<String> {
        let findings = match failure {
            Failure::Findings(findings) => findings,
            Failure::Other(fault) => {
                self.retry_at = Some(Instant::now() + RETRY_PAUSE);
                vec![fault]
            }
        };
        for finding in &findings {
            tracing::error!(cause = cause.as_str(), finding, "configuration not reloaded; the last good one stays");
        }
        self.replacing.gateway.metrics().reloads().failed();
        self.record.failed(cause, findings.clone());
        findings
    }
}

/// How many times files are read that change meanwhile.
const READINGS: usize = 3;

/// How soon an attempt is repeated that failed for a reason which is in no file, such as an address that is taken.
const RETRY_PAUSE: Duration = Duration::from_secs(15);
