//! Every reason to refuse a request, and the one response that each of them gets.
//!
//! A body is fixed for its reason; what was wrong in detail goes to the log.

mod challenge;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod party;
mod response;

use std::time::Duration;

use crate::caller::{InvalidToken, Lacking};
use crate::exchange::ExchangeError;
use crate::limit::{CountedBy, Exceeded};

pub use party::{Party, Resource};
pub use response::Refusal;

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// No route serves this host and path.
    NoRoute,
    /// The path is served, but not for this method; the methods it is served for.
    MethodNotAllowed(Box<str>),
    /// Two parsers could read the request differently; what is ambiguous.
    Ambiguous(&'static str),
    /// The request target is longer than we read.
    TargetTooLong,
    /// There are more header fields than we read, or they are longer.
    HeadersTooLarge,
    /// The body is longer than the route takes.
    BodyTooLarge,
    /// There is no Bearer token.
    MissingToken,
    /// There is more than one way to read the `Authorization` header.
    AmbiguousToken,
    /// Token A is not good.
    InvalidToken(InvalidToken),
    /// The caller sends more requests than the route admits.
    RateLimited(Exceeded),
    /// Token A stands for an application, and the route acts on behalf of users.
    AppOnlyToken,
    /// Token A stands for a user, and the route serves applications on their own.
    UserToken,
    /// The caller lacks something that the route requires; the scopes that it requires.
    Lacking(Lacking, Vec<Box<str>>),
    /// There is no token B.
    Exchange(ExchangeError),
    /// The signing keys of the identity provider have never been loaded, or lack the token's and cannot be loaded now.
    NoKeys,
    /// The target cannot be reached, or broke off.
    TargetUnavailable,
    /// The target takes too long.
    TargetTimeout,
    /// The target has as many requests under way as it may have.
    TargetBusy,
    /// The caller's request broke off or was malformed while it was being forwarded.
    BrokenRequest,
    /// A fault of our own.
    Internal,
}

impl Rejection {
    /// The cause in words, for the log.
    pub fn reason(&self) -> String {
        match self {
            Self::NoRoute => "no route for this host and path".to_owned(),
            Self::MethodNotAllowed(allowed) => format!("the route serves {allowed} only"),
            Self::Ambiguous(what) => (*what).to_owned(),
            Self::TargetTooLong => "request target is longer than limits.target_bytes".to_owned(),
            Self::HeadersTooLarge => "header section is larger than limits.headers or limits.header_bytes".to_owned(),
            Self::BodyTooLarge => "body is longer than max_body of the route".to_owned(),
            Self::MissingToken => "no bearer token".to_owned(),
            Self::AmbiguousToken => "more than one credential in authorization".to_owned(),
            Self::InvalidToken(invalid) => invalid.reason().to_owned(),
            Self::RateLimited(exceeded) => format!("more requests than the rate limit by {} admits", exceeded.by),
            Self::AppOnlyToken => "app-only token; the route serves users only".to_owned(),
            Self::UserToken => "a user's token; the route serves applications on their own only".to_owned(),
            Self::Lacking(Lacking::Scope(scope), _) => format!("token lacks scope {scope}"),
            Self::Lacking(Lacking::Role(role), _) => format!("token lacks role {role}"),
            Self::Lacking(Lacking::Client(client), _) => {
                format!("client {} is not listed", client.as_deref().unwrap_or("(none named)"))
            }
            Self::Exchange(error) => exchange_reason(error),
            Self::NoKeys => "signing keys of the identity provider could not be loaded".to_owned(),
            Self::TargetUnavailable => "target is not reachable or broke off".to_owned(),
            Self::TargetTimeout => "target took too long".to_owned(),
            Self::TargetBusy => "target has as many requests under way as max_requests allows".to_owned(),
            Self::BrokenRequest => "request broke off or is malformed".to_owned(),
            Self::Internal => "internal fault".to_owned(),
        }
    }

    /// What a token says in place of what is accepted, for the log.
    pub fn found(&self) -> Option<&str> {
        if let Self::InvalidToken(invalid) = self { invalid.found() } else { None }
    }

    /// The name under which the identity provider knows the refused exchange, for the log.
    pub fn correlation_id(&self) -> Option<&str> {
        let Self::Exchange(error) = self else { return None };
        error.refusal()?.correlation_id.as_deref()
    }

    /// The rate limit that was exceeded: what it counts, and of whom.
    pub fn exceeded(&self) -> Option<(&'static str, CountedBy)> {
        match self {
            Self::RateLimited(exceeded) => Some(("request", exceeded.by)),
            Self::Exchange(ExchangeError::RateLimited(exceeded)) => Some(("exchange", exceeded.by)),
            _ => None,
        }
    }

    /// Whether somebody else may see the end of the request elsewhere than we do: what follows on its connection could be
    /// the rest of it to one and a request to the other, so nothing may follow.
    pub fn doubts_message(&self) -> bool {
        matches!(self, Self::Ambiguous(_) | Self::TargetTooLong | Self::HeadersTooLarge)
    }

    /// How long the caller should wait, where waiting helps.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Exchange(
                ExchangeError::Throttled { retry_after, .. } | ExchangeError::Unavailable { retry_after, .. },
            ) => Some(retry_after.unwrap_or(RETRY_AFTER)),
            Self::Exchange(ExchangeError::HeldBack { retry_after, .. }) => Some(*retry_after),
            Self::RateLimited(exceeded) | Self::Exchange(ExchangeError::RateLimited(exceeded)) => {
                Some(exceeded.retry_after)
            }
            Self::Exchange(ExchangeError::Timeout) | Self::NoKeys => Some(RETRY_AFTER),
            Self::TargetBusy => Some(RETRY_BUSY),
            _ => None,
        }
    }
}

fn exchange_reason(error: &ExchangeError) -> String {
    match error {
        ExchangeError::Unavailable { cause, .. } | ExchangeError::NoCredential(cause) => cause.clone(),
        ExchangeError::HeldBack { throttled: true, .. } => "identity provider has asked us to wait".to_owned(),
        ExchangeError::HeldBack { .. } => {
            "token endpoint is not asked: it has failed several times in a row".to_owned()
        }
        ExchangeError::RateLimited(exceeded) => {
            format!("more exchanges than the exchange limit by {} admits", exceeded.by)
        }
        ExchangeError::Timeout => "token endpoint did not answer in time".to_owned(),
        _ => error.refusal().map_or_else(String::new, |refusal| {
            format!("identity provider: {} {:?}", refusal.error, refusal.error_codes)
        }),
    }
}

/// Requests end all the time: there may be room at once.
const RETRY_BUSY: Duration = Duration::from_secs(1);
/// Where the identity provider does not say how long.
const RETRY_AFTER: Duration = Duration::from_secs(5);
