//! What an exchange leaves behind: its metrics, and a log line where it failed.

use std::time::Duration;

use super::answer::Granted;
use super::error::ExchangeError;
use super::hint::hint;
use crate::identity::Identity;
use crate::telemetry::{ExchangeOutcome, Metrics};

/// Which exchange it was.
pub(super) struct Subject<'a> {
    pub(super) identity: &'a Identity,
    /// The scopes that were asked for.
    pub(super) scope: &'a str,
    /// The `client-request-id` that the identity provider got.
    pub(super) request_id: &'a str,
}

/// Counts the exchange and logs its failure, as loudly as somebody has to act: our own fault is an error, what the
/// caller can mend on its own is information.
pub(super) fn report(
    metrics: &Metrics,
    subject: &Subject<'_>,
    outcome: &Result<Granted, ExchangeError>,
    took: Duration,
) {
    let label = outcome.as_ref().map_or_else(ExchangeError::outcome, |_| ExchangeOutcome("success"));
    metrics.exchange(&subject.identity.name, label, took);
    if let Err(error) = outcome {
        log(subject, label, error, took);
    }
}

fn log(subject: &Subject<'_>, outcome: ExchangeOutcome, error: &ExchangeError, took: Duration) {
    let refusal = error.refusal().cloned().unwrap_or_default();
    let cause = if let ExchangeError::Unavailable(cause) = error { Some(cause.as_str()) } else { None };
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                identity = &*subject.identity.name,
                outcome = outcome.0,
                scope = subject.scope,
                client_request_id = subject.request_id,
                idp_error = &*refusal.error,
                suberror = refusal.suberror.as_deref(),
                error_codes = ?refusal.error_codes,
                correlation_id = refusal.correlation_id.as_deref(),
                remedy = hint(&refusal.error_codes),
                cause,
                took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "token exchange failed"
            )
        };
    }
    match error {
        ExchangeError::Misconfigured(_) => line!(error),
        ExchangeError::ClaimsChallenge { .. } | ExchangeError::BadToken(_) => line!(info),
        _ => line!(warn),
    }
}
