//! What an exchange leaves behind: its metrics, and a log line where it failed.

use std::time::Duration;

use super::answer::Granted;
use super::error::ExchangeError;
use super::hint::hint;
use crate::identity::Identity;
use crate::telemetry::{ExchangeOutcome, Metrics};

/// Counts the exchange and logs its failure, as loudly as somebody has to act: our own fault is an error, what the
/// caller can mend on its own is information.
pub(super) fn report(
    metrics: &Metrics,
    identity: &Identity,
    scope: &str,
    outcome: &Result<Granted, ExchangeError>,
    took: Duration,
) {
    let label = outcome.as_ref().map_or_else(ExchangeError::outcome, |_| ExchangeOutcome("success"));
    metrics.exchange(&identity.name, label, took);
    if let Err(error) = outcome {
        log(identity, scope, label, error, took);
    }
}

fn log(identity: &Identity, scope: &str, outcome: ExchangeOutcome, error: &ExchangeError, took: Duration) {
    let refusal = error.refusal().cloned().unwrap_or_default();
    let cause = if let ExchangeError::Unavailable(cause) = error { Some(cause.as_str()) } else { None };
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                identity = &*identity.name,
                outcome = outcome.0,
                scope,
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
