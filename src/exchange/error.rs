//! How an exchange can fail, by who can act on it.

use std::time::Duration;

use crate::telemetry::ExchangeOutcome;

/// Why there is no token B.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeError {
    /// The identity provider wants the user; the caller can act on these claims (a JSON text).
    ClaimsChallenge {
        /// The `claims` member of the answer, as it came.
        claims: String,
        /// What else it said.
        refusal: IdpRefusal,
    },
    /// Nobody consented to what the route asks for.
    ConsentRequired(IdpRefusal),
    /// This user is refused, whatever the caller does.
    Refused(IdpRefusal),
    /// Token A is bad, expired or revoked.
    BadToken(IdpRefusal),
    /// Our own credential, scope or registration is wrong.
    Misconfigured(IdpRefusal),
    /// The identity provider asks us to wait.
    Throttled {
        /// How long, if it said so.
        retry_after: Option<Duration>,
        /// What else it said.
        refusal: IdpRefusal,
    },
    /// The identity provider is down, not reachable, or answers nonsense; the cause in words.
    Unavailable(String),
    /// The identity provider did not answer in time.
    Timeout,
}

/// What the identity provider said of its refusal, limited to what may be passed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IdpRefusal {
    /// `error`.
    pub error: Box<str>,
    /// `suberror`.
    pub suberror: Option<Box<str>>,
    /// `error_codes`: the numbers behind `AADSTS`.
    pub error_codes: Vec<u64>,
    /// `correlation_id`.
    pub correlation_id: Option<Box<str>>,
}

impl ExchangeError {
    /// What the identity provider said, where it said something.
    pub fn refusal(&self) -> Option<&IdpRefusal> {
        match self {
            Self::ClaimsChallenge { refusal, .. }
            | Self::Throttled { refusal, .. }
            | Self::ConsentRequired(refusal)
            | Self::Refused(refusal)
            | Self::BadToken(refusal)
            | Self::Misconfigured(refusal) => Some(refusal),
            Self::Unavailable(_) | Self::Timeout => None,
        }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout)
    }

    /// The label of metrics and logs.
    pub fn outcome(&self) -> ExchangeOutcome {
        ExchangeOutcome(match self {
            Self::ClaimsChallenge { .. } => "claims_challenge",
            Self::ConsentRequired(_) => "consent_required",
            Self::Refused(_) => "refused",
            Self::BadToken(_) => "bad_token",
            Self::Misconfigured(_) => "misconfigured",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable(_) => "unavailable",
            Self::Timeout => "timeout",
        })
    }
}
