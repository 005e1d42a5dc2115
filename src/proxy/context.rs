//! What is known of one request while Pingora leads it through its phases.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use http::{HeaderValue, Version};
use memchr::memrchr2;
use pingora::{ErrorSource, ErrorType};
use prometheus::IntGauge;
use tokio::time::Instant;

use super::admission::{Admission, Trail};
use super::correlation::Correlation;
use super::switching::Ear;
use super::target::{Attempts, Backend};
use crate::rejection::Rejection;

/// The context of a request.
#[derive(Debug)]
pub struct RequestContext {
    pub(super) started: Instant,
    pub(super) correlation: Option<Correlation>,
    pub(super) trail: Trail,
    pub(super) admission: Option<Admission>,
    /// The caller's own token: needed for a second exchange, and to make sure that it does not leave.
    pub(super) token_a: Option<TokenA>,
    pub(super) caller_version: Version,
    /// Whether it asks to go on as a WebSocket; what then listens to the target.
    pub(super) websocket: Option<Ear>,
    /// Whether the caller keeps its body back until it is told to go on (RFC 9110 section 10.1.1).
    pub(super) awaits_continue: bool,
    /// How it fares at the target.
    pub(super) attempts: Attempts,
    pub(super) resend: Resend,
    /// How much of its body has been passed on to the target, in bytes.
    pub(super) body_bytes: u64,
    /// Why the request was refused or given up.
    pub(super) rejection: Option<Rejection>,
    /// What Pingora reported, where it gave up.
    pub(super) fault: Option<(ErrorSource, ErrorType)>,
    /// Whether the caller left before it was answered to the end.
    pub(super) caller_left: bool,
    /// When the target's header section had arrived.
    pub(super) answered: Option<Instant>,
    _in_flight: InFlight,
}

/// The one repetition with a fresh token B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resend {
    /// It has not been needed.
    Unused,
    /// It is about to happen.
    Due,
    /// It has happened.
    Done,
}

/// Counts a request from its beginning until its last byte is on its way.
#[derive(Debug)]
struct InFlight(Arc<IntGauge>);

impl RequestContext {
    pub(super) fn new(in_flight: Arc<IntGauge>) -> Self {
        in_flight.inc();
        Self {
            started: Instant::now(),
            correlation: None,
            trail: Trail::default(),
            admission: None,
            token_a: None,
            caller_version: Version::HTTP_11,
            websocket: None,
            awaits_continue: false,
            attempts: Attempts::default(),
            resend: Resend::Unused,
            body_bytes: 0,
            rejection: None,
            fault: None,
            caller_left: false,
            answered: None,
            _in_flight: InFlight(in_flight),
        }
    }

    /// The target of an admitted request, and how it fares there.
    pub(super) fn at_target(&mut self) -> Option<(&Backend, &mut Attempts)> {
        let admission = self.admission.as_ref()?;
        Some((admission.route.target.backend(), &mut self.attempts))
    }

    /// Looks at the clock while a body passes. A WebSocket may last.
    ///
    /// # Errors
    /// Where the time for the whole request is over.
    pub(super) fn check_time(&mut self) -> pingora::Result<()> {
        match self.at_target() {
            Some((backend, attempts)) if !attempts.is_websocket() => attempts.check_time(backend),
            _ => Ok(()),
        }
    }

    /// The caller's token A as it stands in the request.
    pub(super) fn token_a(&self) -> Option<&[u8]> {
        self.token_a.as_ref().map(TokenA::bytes)
    }
}

/// The caller's token A, in the header that it came with.
pub(super) struct TokenA {
    header: HeaderValue,
    bounds: Range<usize>,
}

impl TokenA {
    /// What follows the last blank or tab in an `Authorization`, whatever its scheme is; none where nothing does.
    pub(super) fn of(header: &HeaderValue) -> Option<Self> {
        let value = header.as_bytes().trim_ascii_end();
        let start = memrchr2(b' ', b'\t', value).map_or(0, |blank| blank + 1);
        let bounds = start..value.len();
        (!bounds.is_empty()).then(|| Self { header: header.clone(), bounds })
    }

    fn bytes(&self) -> &[u8] {
        self.header.as_bytes().get(self.bounds.clone()).unwrap_or_default()
    }
}

/// Prints how long it is, never what it is.
impl fmt::Debug for TokenA {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenA").field("length", &self.bounds.len()).finish_non_exhaustive()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    #[test]
    fn token_a_is_found_behind_whatever_separates_it_from_its_scheme() {
        let gauge = Arc::new(IntGauge::with_opts(Opts::new("a", "b")).unwrap());
        let mut context = RequestContext::new(gauge);
        assert_eq!(context.token_a(), None);
        for value in ["Bearer a.b.c", "bearer   a.b.c ", "Bearer \ta.b.c", "Bearer \t a.b.c\t"] {
            context.token_a = TokenA::of(&HeaderValue::from_str(value).unwrap());
            assert_eq!(context.token_a(), Some(&b"a.b.c"[..]), "{value:?}");
            assert!(!format!("{context:?}").contains("a.b.c"));
        }
        assert!(TokenA::of(&HeaderValue::from_static(" \t")).is_none());
    }
}
