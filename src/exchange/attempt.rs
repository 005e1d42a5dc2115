//! One question to a token endpoint, with the patience that it takes: passing faults are asked about once more, and a
//! credential that is being replaced is looked at again, or the other one is tried.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::answer::{self, Expected, Granted};
use super::credential::{Authenticator, Proof};
use super::endpoints::Endpoint;
use super::error::{ExchangeError, IdpRefusal};
use super::form;
use super::refusal::Asked;
use crate::digest::Digest;
use crate::idp::{Fault, IdpClient};
use crate::secret::Secret;

/// A question, and whom it is asked for.
pub(super) struct Question<'a> {
    pub(super) client: &'a IdpClient,
    pub(super) endpoint: &'a Endpoint,
    pub(super) authenticator: &'a Arc<Authenticator>,
    /// The SHA-256 of token A.
    pub(super) caller: &'a Digest,
    /// The `client-request-id`.
    pub(super) request_id: &'a str,
    pub(super) asked: Asked,
    pub(super) expected: Expected<'a>,
    /// When the answer must be there, whatever was tried.
    pub(super) deadline: Instant,
}

impl Question<'_> {
    /// Asks with the credential that was accepted last, and with the other one if that is refused now.
    pub(super) async fn ask(&self, form: impl Fn(&Proof) -> Secret) -> Result<Granted, ExchangeError> {
        let mut last = Err(ExchangeError::internal("there is no credential"));
        for position in self.authenticator.order() {
            last = self.ask_with(position, &form).await;
            match &last {
                Err(error) if blames_client(error) => self.authenticator.refused(position, error.refusal()),
                Ok(_) => {
                    self.authenticator.accepted(position);
                    break;
                }
                Err(_) => break,
            }
        }
        last
    }

    async fn ask_with(&self, position: usize, form: &impl Fn(&Proof) -> Secret) -> Result<Granted, ExchangeError> {
        let version = self.authenticator.version(position);
        let outcome = self.ask_patiently(position, form).await;
        let Some(refusal) = outcome.as_ref().err().and_then(about_client) else { return outcome };
        if self.authenticator.renewed_after(position, version, refusal).await {
            return self.ask_patiently(position, form).await;
        }
        outcome
    }

    /// One attempt, and a second one where the first met a passing fault and time is left.
    async fn ask_patiently(&self, position: usize, form: &impl Fn(&Proof) -> Secret) -> Result<Granted, ExchangeError> {
        let now = Instant::now();
        let first_end = now + self.deadline.saturating_duration_since(now).mul_f64(FIRST_SHARE);
        match self.attempt(position, form, first_end).await {
            Err(error) if error.is_transient() => {
                sleep(RETRY_PAUSE).await;
                self.attempt(position, form, self.deadline).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        position: usize,
        form: &impl Fn(&Proof) -> Secret,
        deadline: Instant,
    ) -> Result<Granted, ExchangeError> {
        let address = &*self.endpoint.address;
        let proof = self.authenticator.proof(position, address, deadline).await?;
        let headers = form::headers(&proof, self.request_id)
            .map_err(|_| ExchangeError::internal("a header of the token request is malformed"))?;
        if Instant::now() >= deadline {
            // An endpoint that was not asked has not been silent.
            return Err(ExchangeError::Timeout);
        }
        self.endpoint.admit()?;
        let outcome = match self.client.post_form(address, headers, &form(&proof), deadline).await {
            Ok(answer) => answer::read(&answer, self.asked, self.expected),
            Err(Fault::Timeout) => Err(ExchangeError::Timeout),
            Err(Fault::TooLarge) => Err(ExchangeError::nonsense(Fault::TooLarge.to_string())),
            Err(fault) => Err(ExchangeError::unreachable(fault.to_string())),
        };
        self.endpoint.report(self.caller, &outcome);
        outcome
    }
}

/// Whether another credential might do.
fn blames_client(error: &ExchangeError) -> bool {
    matches!(error, ExchangeError::NoCredential(_)) || about_client(error).is_some()
}

fn about_client(error: &ExchangeError) -> Option<&IdpRefusal> {
    error.refusal().filter(|refusal| refusal.is_about_client() || refusal.is_about_assertion())
}

/// The share of the time that the first attempt may take: a slow answer is better than a second question, but a
/// connection that has died unnoticed must leave time for one.
const FIRST_SHARE: f64 = 0.75;

/// Between the attempts: enough for a connection that was being replaced.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
