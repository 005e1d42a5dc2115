//! How we prove to be the application that we say we are: the credentials of an identity, kept up to date with their
//! files, and tried in turn while one is being replaced.

mod certificate;
mod check;
mod files;
mod managed_identity;
mod proof;
mod slot;
mod watched;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::aadsts::hint;
use super::error::{ExchangeError, IdpRefusal};
use crate::identity::Credential;
use crate::idp::IdpClient;
use crate::telemetry::Metrics;
use slot::Slot;

pub(super) use proof::Proof;

pub use check::check;
pub use files::{CredentialPart, Unusable};
pub use slot::CredentialDescription;

/// The credentials of one client at one token endpoint.
#[derive(Debug)]
pub struct Authenticator {
    /// Whose they are, for logs and metrics.
    owner: Arc<str>,
    client_id: Box<str>,
    slots: Vec<Slot>,
    /// The position of the credential that was accepted last.
    preferred: AtomicUsize,
    metrics: Arc<Metrics>,
}

impl Authenticator {
    /// Reads the credentials of `client_id`. `owner` names them in logs and metrics.
    ///
    /// # Errors
    /// The first credential that cannot be used, where none of them can.
    pub fn load(
        owner: Arc<str>,
        client_id: &str,
        credentials: &[Credential],
        client: &IdpClient,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Unusable> {
        let slots = credentials.iter().map(|credential| Slot::load(credential, client)).collect::<Result<_, _>>()?;
        let authenticator = Self { owner, client_id: client_id.into(), slots, preferred: AtomicUsize::new(0), metrics };
        authenticator.watch_certificates();
        Ok(authenticator)
    }

    /// Reads files again that have changed, and warns of certificates that near their end. To be called every
    /// [`TENDING_INTERVAL`](super::TENDING_INTERVAL).
    pub fn tend(&self) {
        for slot in &self.slots {
            self.report_reload(slot.refresh(false));
        }
        self.watch_certificates();
    }

    /// Reads all files again, whether they have changed or not.
    pub fn reread(&self) {
        for slot in &self.slots {
            self.report_reload(slot.refresh(true));
        }
    }

    /// The positions of the credentials in the order in which they are to be tried. Who has none tries that once.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let (preferred, count) = (self.preferred.load(Ordering::Relaxed), self.slots.len().max(1));
        (0..count).map(move |n| (preferred + n) % count)
    }

    /// Notes which credential was accepted: it is tried first from now on.
    pub(super) fn accepted(&self, position: usize) {
        if self.preferred.swap(position, Ordering::Relaxed) != position {
            tracing::warn!(
                identity = &*self.owner,
                credential = position + 1,
                "another credential is used from now on"
            );
        }
    }

    /// Says which credential was refused and why, where another one can be tried.
    pub(super) fn refused(&self, position: usize, refusal: Option<&IdpRefusal>) {
        if self.slots.len() > 1 {
            let codes = refusal.map(|refusal| &*refusal.error_codes).unwrap_or_default();
            let (identity, credential) = (&*self.owner, position + 1);
            tracing::warn!(identity, credential, error_codes = ?codes, remedy = hint(codes), "a credential is not accepted");
        }
    }

    /// What to send with a request to `token_endpoint`.
    ///
    /// # Errors
    /// Where the machine's identity cannot be had.
    pub(super) async fn proof(
        &self,
        position: usize,
        token_endpoint: &str,
        deadline: Instant,
    ) -> Result<Proof, ExchangeError> {
        let Some(slot) = self.slots.get(position) else { return Ok(Proof::None) };
        slot.proof(&self.client_id, token_endpoint, deadline).await
    }

    /// Tells the credential as it is now from one that will have replaced it; see [`Authenticator::renewed_after`].
    pub(super) fn version(&self, position: usize) -> Option<u64> {
        self.slots.get(position).map(Slot::version)
    }

    /// Looks at the files once more after a refusal of the credential that was of this `version`; tells whether it makes
    /// sense to try the same one again: it has been replaced, by whomever, or it can be made anew.
    ///
    /// Files are read beside the threads that serve requests: a network file system may be slow.
    pub(super) async fn renewed_after(
        self: &Arc<Self>,
        position: usize,
        version: Option<u64>,
        refusal: &IdpRefusal,
    ) -> bool {
        let authenticator = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || authenticator.look_again(position)).await;
        let replaced = looked.is_ok() && self.version(position) != version;
        let slot = self.slots.get(position);
        replaced || refusal.is_about_assertion() && slot.is_some_and(Slot::makes_assertions)
    }

    fn look_again(&self, position: usize) {
        if let Some(slot) = self.slots.get(position) {
            self.report_reload(slot.refresh(true));
        }
    }

    /// The credentials, in the order in which they are tried.
    pub fn describe(&self) -> Vec<CredentialDescription> {
        self.order().filter_map(|position| self.slots.get(position)).map(Slot::describe).collect()
    }

    /// What stands in for the proof of the credential that is tried first, where people look on.
    pub(super) fn stand_in(&self) -> Proof {
        let first = self.order().next().and_then(|position| self.slots.get(position));
        first.map_or(Proof::None, Slot::stand_in)
    }

    fn report_reload(&self, reloaded: Option<Result<(), Unusable>>) {
        let identity = &*self.owner;
        match reloaded {
            None => {}
            Some(Ok(())) => {
                self.metrics.credential_reloaded(identity, true);
                tracing::info!(identity, "credential reloaded");
            }
            Some(Err(error)) => {
                self.metrics.credential_reloaded(identity, false);
                tracing::error!(identity, %error, "credential not reloaded; the last good one stays");
            }
        }
    }

    fn watch_certificates(&self) {
        for ends in self.slots.iter().filter_map(Slot::certificate_ends) {
            self.metrics.certificate_ends(&self.owner, ends);
        }
        self.slots.iter().for_each(|slot| slot.warn_of_end(&self.owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of many requests that are refused at once, one sees the file change; the others must not give up for that.
    #[tokio::test]
    async fn a_credential_that_was_replaced_meanwhile_is_tried_again() {
        let path = std::env::temp_dir().join(format!("obo-proxy-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, "old").unwrap();
        let credentials = [Credential::SecretPost(crate::identity::SecretSource::File(path.clone()))];
        let (client, metrics) = (IdpClient::new(None).unwrap(), Arc::new(Metrics::new().unwrap()));
        let authenticator = Authenticator::load("i".into(), "c", &credentials, &client, metrics).unwrap();
        let (authenticator, refusal) = (Arc::new(authenticator), IdpRefusal::default());
        let version = authenticator.version(0);
        assert!(!authenticator.renewed_after(0, version, &refusal).await, "nothing has changed");
        std::fs::write(&path, "renewed").unwrap();
        assert!(authenticator.renewed_after(0, version, &refusal).await);
        assert!(authenticator.renewed_after(0, version, &refusal).await, "somebody else has reloaded it");
        assert!(!authenticator.renewed_after(0, authenticator.version(0), &refusal).await);
        std::fs::remove_file(path).unwrap();
    }
}
