//! What the target does with a request, read from the end of its path.

use std::time::Duration;

use axum::http::StatusCode;

/// The behaviours that a path can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Echo,
    Challenge,
    StepUp,
    Unauthorized,
    Revocable,
    ContinuousAccess,
    Token,
    OwnToken,
    Status(StatusCode),
    Bytes(u64),
    Slow(Duration),
    Events,
    /// The path asks for something impossible.
    Invalid(&'static str),
}

impl Behaviour {
    /// Reads the last one or two segments of a path.
    pub(super) fn of(path: &str) -> Self {
        let (rest, last) = path.rsplit_once('/').unwrap_or(("", path));
        match (rest.rsplit('/').next().unwrap_or(""), last) {
            (_, "challenge") => Self::Challenge,
            (_, "step-up") => Self::StepUp,
            (_, "unauthorized") => Self::Unauthorized,
            (_, "revocable") => Self::Revocable,
            (_, "cae") => Self::ContinuousAccess,
            (_, "sse") => Self::Events,
            (_, "own-token") => Self::OwnToken,
            ("oauth", "token") => Self::Token,
            ("status", code) => Self::status(code),
            ("bytes", count) => count.parse().map_or(Self::Invalid("not a number of bytes\n"), Self::Bytes),
            ("slow", delay) => delay.parse().map_or(Self::Invalid("not a number of milliseconds\n"), Self::slow),
            _ => Self::Echo,
        }
    }

    fn status(code: &str) -> Self {
        let status = code.parse().ok().filter(|status: &StatusCode| !status.is_informational());
        status.map_or(Self::Invalid("not a status from 200 to 999\n"), Self::Status)
    }

    fn slow(milliseconds: u64) -> Self {
        Self::Slow(Duration::from_millis(milliseconds).min(MAX_DELAY))
    }
}

/// The longest delay.
const MAX_DELAY: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_end_of_the_path() {
        assert_eq!(Behaviour::of("/v1.0/me/challenge"), Behaviour::Challenge);
        assert_eq!(Behaviour::of("/v1.0/bytes/70000"), Behaviour::Bytes(70_000));
        assert_eq!(Behaviour::of("/status/503"), Behaviour::Status(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(Behaviour::of("/slow/20"), Behaviour::Slow(Duration::from_millis(20)));
        assert_eq!(Behaviour::of("/challenge/me"), Behaviour::Echo);
        assert_eq!(Behaviour::of("*"), Behaviour::Echo);
        assert_eq!(Behaviour::of("/v1/oauth/token"), Behaviour::Token);
        assert_eq!(Behaviour::of("/v1/token"), Behaviour::Echo);
    }

    #[test]
    fn names_what_is_impossible() {
        for path in ["/status/99", "/status/101", "/bytes/-1", "/slow/soon"] {
            assert!(matches!(Behaviour::of(path), Behaviour::Invalid(_)), "{path}");
        }
    }
}
