//! How an exchange can fail, by who can act on it.

use std::time::Duration;

use super::aadsts;
use crate::limit::Exceeded;
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
    /// The identity provider wants the user, and does not say by which claims.
    InteractionRequired(IdpRefusal),
    /// Nobody consented to what the route asks for.
    ConsentRequired(IdpRefusal),
    /// This user is refused, whatever the caller does.
    Refused(IdpRefusal),
    /// Token A is bad, expired or revoked.
    BadToken(IdpRefusal),
    /// Our own credential, scope or registration is wrong.
    Misconfigured(IdpRefusal),
    /// We have nothing to authenticate with; the cause in words.
    NoCredential(String),
    /// The identity provider asks us to wait.
    Throttled {
        /// How long, if it said so.
        retry_after: Option<Duration>,
        /// Whether it means our application and not only this caller.
        whole_client: bool,
        /// What else it said.
        refusal: IdpRefusal,
    },
    /// The identity provider is down, not reachable, or answers nonsense.
    Unavailable {
        /// The cause in words.
        cause: String,
        /// Whether there was an answer; then it may concern this caller alone.
        answered: bool,
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
    },
    /// The identity provider was not asked: it has asked us to wait, or has not answered several times in a row.
    HeldBack {
        /// How long to wait.
        retry_after: Duration,
        /// Whether it has asked for that.
        throttled: bool,
    },
    /// The caller causes more exchanges than it may; the identity provider was not asked.
    RateLimited(Exceeded),
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

impl IdpRefusal {
    /// Whether it refuses us and not the caller: our credential is what it does not accept.
    pub(super) fn is_about_client(&self) -> bool {
        let ours = |code: &u64| CLIENT_CODES.contains(code) && aadsts::is_alone(*code, &self.error_codes);
        &*self.error == "invalid_client" || self.error_codes.iter().any(ours)
    }

    /// Whether it refuses an assertion of ours, which a fresh one may mend.
    pub(super) fn is_about_assertion(&self) -> bool {
        self.error_codes.iter().any(|code| ASSERTION_CODES.contains(code))
    }
}

impl ExchangeError {
    /// No answer, with the cause in words.
    pub(super) fn unreachable(cause: impl Into<String>) -> Self {
        Self::Unavailable { cause: cause.into(), answered: false, retry_after: None }
    }

    /// An answer that is of no use, with the cause in words.
    pub(super) fn nonsense(cause: impl Into<String>) -> Self {
        Self::Unavailable { cause: cause.into(), answered: true, retry_after: None }
    }

    /// Whether the identity provider said something of this caller, and not only that nothing can be had now.
    pub fn concerns_caller(&self) -> bool {
        matches!(
            self,
            Self::ClaimsChallenge { .. }
                | Self::InteractionRequired(_)
                | Self::ConsentRequired(_)
                | Self::Refused(_)
                | Self::BadToken(_)
        )
    }

    /// A fault of our own set-up, in words.
    pub(super) fn internal(cause: &str) -> Self {
        Self::NoCredential(cause.to_owned())
    }

    /// What the identity provider said, where it said something.
    pub fn refusal(&self) -> Option<&IdpRefusal> {
        match self {
            Self::ClaimsChallenge { refusal, .. }
            | Self::Throttled { refusal, .. }
            | Self::InteractionRequired(refusal)
            | Self::ConsentRequired(refusal)
            | Self::Refused(refusal)
            | Self::BadToken(refusal)
            | Self::Misconfigured(refusal) => Some(refusal),
            Self::NoCredential(_)
            | Self::Unavailable { .. }
            | Self::HeldBack { .. }
            | Self::RateLimited(_)
            | Self::Timeout => None,
        }
    }

    /// Whether the same request may succeed a moment later, and nobody asked for more patience.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { retry_after: None, .. } | Self::Timeout)
    }

    /// The label of metrics and logs.
    pub fn outcome(&self) -> ExchangeOutcome {
        ExchangeOutcome(match self {
            Self::ClaimsChallenge { .. } => "claims_challenge",
            Self::InteractionRequired(_) => "interaction_required",
            Self::ConsentRequired(_) => "consent_required",
            Self::Refused(_) => "refused",
            Self::BadToken(_) => "bad_token",
            Self::Misconfigured(_) => "misconfigured",
            Self::Throttled { .. } => "throttled",
            Self::NoCredential(_) => "no_credential",
            Self::Unavailable { .. } => "unavailable",
            Self::HeldBack { .. } => "held_back",
            Self::RateLimited(_) => "rate_limited",
            Self::Timeout => "timeout",
        })
    }
}

/// Codes that refuse our credential, of whatever kind it is.
const CLIENT_CODES: [u64; 7] = [7_000_215, 7_000_222, 70002, 7_000_218, 700_025, 70021, 700_229];

/// Codes that refuse an assertion of ours: its certificate is unknown or expired, its times are off.
const ASSERTION_CODES: [u64; 8] = [700_027, 700_024, 7_000_214, 1_000_502, 7_000_274, 7_000_277, 70021, 700_229];
