//! What an exchange leaves behind: its metrics, and a log line where it failed.

use std::time::Duration;

use super::aadsts;
use super::answer::Granted;
use super::definition::Exchange;
use super::error::{ExchangeError, IdpRefusal};
use crate::identity::Tenant;
use crate::telemetry::{ExchangeOutcome, Metrics};

/// Which exchange it was.
pub(super) struct Subject<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) tenant: &'a Tenant,
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
    let identity = &*subject.exchange.identity.name;
    let label = outcome.as_ref().map_or_else(ExchangeError::outcome, |_| ExchangeOutcome("success"));
    metrics.exchange(identity, label, took);
    if let Err(error) = outcome {
        if let Some(refusal) = error.refusal() {
            metrics.idp_error(identity, error_label(refusal), &aadsts::label(&refusal.error_codes));
        }
        log(subject, label, error, took);
    }
}

fn log(subject: &Subject<'_>, outcome: ExchangeOutcome, error: &ExchangeError, took: Duration) {
    let refusal = error.refusal().cloned().unwrap_or_default();
    let consent_uri =
        matches!(error, ExchangeError::ConsentRequired(_)).then(|| subject.tenant.consent_uri()).flatten();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                identity = &*subject.exchange.identity.name,
                tid = subject.tenant.id(),
                outcome = outcome.0,
                scope = &*subject.exchange.scope,
                client_request_id = subject.request_id,
                idp_error = &*refusal.error,
                suberror = refusal.suberror.as_deref(),
                error_codes = ?refusal.error_codes,
                correlation_id = refusal.correlation_id.as_deref(),
                remedy = remedy(error, &refusal),
                consent_uri,
                cause = cause(error),
                took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "token exchange failed"
            )
        };
    }
    match error {
        ExchangeError::Misconfigured(_) | ExchangeError::NoCredential(_) => line!(error),
        ExchangeError::ClaimsChallenge { .. } | ExchangeError::InteractionRequired(_) | ExchangeError::BadToken(_) => {
            line!(info);
        }
        _ => line!(warn),
    }
}

fn cause(error: &ExchangeError) -> Option<&str> {
    match error {
        ExchangeError::Unavailable { cause, .. } | ExchangeError::NoCredential(cause) => Some(cause),
        _ => None,
    }
}

impl ExchangeError {
    /// What an operator can do about it, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        remedy(self, self.refusal()?)
    }
}

/// By the code; where there is none, by the word.
pub(super) fn remedy(error: &ExchangeError, refusal: &IdpRefusal) -> Option<&'static str> {
    aadsts::hint(&refusal.error_codes).or(match (&*refusal.error, error) {
        (_, ExchangeError::ConsentRequired(_)) => aadsts::hint(&[65001]),
        ("invalid_client", _) => {
            Some("the client authentication is not accepted: compare client_id, credential and auth_method")
        }
        ("unauthorized_client", _) => Some("the client may not use this grant: allow it in its registration"),
        ("invalid_scope", _) => aadsts::hint(&[70011]),
        ("invalid_target" | "invalid_resource", _) => {
            Some("the authorization server does not know the audience or resource of the route")
        }
        ("unsupported_grant_type", _) => aadsts::hint(&[70003]),
        ("invalid_request", ExchangeError::BadToken(_)) => {
            Some("the authorization server does not accept token A as subject token, or a parameter of the exchange")
        }
        _ => None,
    })
}

/// The `error` as a label of metrics; one that no specification has is `other`, so that labels stay few.
fn error_label(refusal: &IdpRefusal) -> &'static str {
    KNOWN_ERRORS.iter().find(|known| **known == &*refusal.error).map_or("other", |known| known)
}

/// RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 8693 section 2.2.2, `OpenID` Connect Core section 3.1.2.6, and Entra.
const KNOWN_ERRORS: [&str; 15] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "invalid_resource",
    "interaction_required",
    "login_required",
    "consent_required",
    "access_denied",
    "temporarily_unavailable",
    "server_error",
    "slow_down",
];
