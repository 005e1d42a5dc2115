//! A caller's connection: what it is doing and since when, how long it may, and its end where it takes too long.
//!
//! A request costs three writes of one atomic number and no timer: whoever is overdue is found by a sweep.

mod limits;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use pingora::protocols::Digest;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::AbortHandle;

pub use limits::Limits;

/// One connection of a caller.
#[derive(Debug)]
pub struct Connection {
    /// [`Phase`] in the last three bits, in the others the milliseconds of [`now`] at which it began.
    state: AtomicU64,
    limits: Arc<Limits>,
    farewell: Arc<Farewell>,
    /// Whether it carries requests side by side (HTTP/2).
    is_multiplexed: AtomicBool,
    has_flooded: AtomicBool,
    task: OnceLock<AbortHandle>,
    caller: OnceLock<Caller>,
}

/// Who is at the other end, written once for all requests of a connection.
#[derive(Debug)]
pub struct Caller {
    /// Address and port.
    pub text: Box<str>,
    /// The address alone, as a value of `X-Forwarded-For`.
    pub forwarded_for: HeaderValue,
}

/// Whether a listener says farewell to its connections, and since when.
#[derive(Debug, Default)]
pub struct Farewell(AtomicU64);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No request has begun yet: TLS, and the first header section.
    Opening,
    /// Between two requests.
    Waiting,
    /// A header section has begun.
    Reading,
    /// A request is served, or several are.
    Serving,
    /// It is being ended; nothing that arrives counts.
    Ended,
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// A header section, or the beginning of the connection, took too long.
    Header,
    /// It was unused for too long.
    Idle,
    /// It was unused when its listener left.
    Farewell,
}

impl Connection {
    /// A connection that begins now.
    pub fn new(limits: Arc<Limits>, farewell: Arc<Farewell>) -> Self {
        let state = AtomicU64::new(pack(Phase::Opening, now()));
        Self {
            state,
            limits,
            farewell,
            is_multiplexed: AtomicBool::new(false),
            has_flooded: AtomicBool::new(false),
            task: OnceLock::new(),
            caller: OnceLock::new(),
        }
    }

    /// The connection that Pingora's session came by, if it came by one of ours.
    pub fn of(digest: Option<&Digest>) -> Option<&Self> {
        let carried: &(dyn Any + Send + Sync) = &**digest?.proxy_digest.as_ref()?.user_data.as_ref()?;
        carried.downcast_ref::<Arc<Self>>().map(|connection| &**connection)
    }

    /// What it is bound by.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether its next answer is to be its last.
    pub fn is_leaving(&self) -> bool {
        self.farewell.since().is_some()
    }

    /// Whether it came by a listener that says farewell by `farewell`.
    pub fn leaves_by(&self, farewell: &Arc<Farewell>) -> bool {
        Arc::ptr_eq(&self.farewell, farewell)
    }

    /// Its requests are taken to come from there.
    pub fn comes_from(&self, caller: SocketAddr) {
        if let Ok(forwarded_for) = HeaderValue::try_from(caller.ip().to_string()) {
            // It is known once, before the first request.
            let _ = self.caller.set(Caller { text: caller.to_string().into(), forwarded_for });
        }
    }

    /// Where its requests come from.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.get()
    }

    /// Gives it the task that ends with it.
    pub fn bind(&self, task: AbortHandle) {
        // There is one task to a connection, and this is called once.
        let _ = self.task.set(task);
    }

    /// The handshake is over, and the time for the first header section begins.
    pub fn handshake_done(&self) {
        self.enter(Phase::Opening);
    }

    /// From now on its requests run side by side.
    pub fn multiplex(&self) {
        self.is_multiplexed.store(true, Ordering::Relaxed);
    }

    /// Whether its requests run side by side.
    pub fn is_multiplexed(&self) -> bool {
        self.is_multiplexed.load(Ordering::Relaxed)
    }

    /// The caller took back more of its requests than anybody with good intentions would.
    pub fn flooded(&self) {
        self.has_flooded.store(true, Ordering::Relaxed);
    }

    /// Whether it did.
    pub fn has_flooded(&self) -> bool {
        self.has_flooded.load(Ordering::Relaxed)
    }

    /// A request is answered, and the next one may come.
    pub fn wait(&self) {
        self.enter(Phase::Waiting);
    }

    /// Bytes of a header section have arrived. `false` means that they came too late: the connection has ended.
    #[must_use]
    pub fn section_begun(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        match phase(state) {
            Phase::Ended => false,
            Phase::Waiting => self.replace(state, Phase::Reading),
            Phase::Serving if self.is_multiplexed() => self.replace(state, Phase::Reading),
            Phase::Opening | Phase::Reading | Phase::Serving => true,
        }
    }

    /// The header section is complete. `false` means that the connection has ended: nothing may come of the request.
    #[must_use]
    pub fn section_done(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        match phase(state) {
            Phase::Ended => false,
            Phase::Serving => true,
            Phase::Opening | Phase::Waiting | Phase::Reading => self.replace(state, Phase::Serving),
        }
    }

    /// A request has begun; see [`Self::section_done`]. Where requests run side by side, another one's section may be
    /// under way: its frames tell of that.
    #[must_use]
    pub fn request_begun(&self) -> bool {
        if self.is_multiplexed() { !self.has_ended() } else { self.section_done() }
    }

    /// Whether it has been ended from our side.
    pub fn has_ended(&self) -> bool {
        phase(self.state.load(Ordering::Acquire)) == Phase::Ended
    }

    /// Whether no request is being served on it.
    pub fn is_unused(&self) -> bool {
        phase(self.state.load(Ordering::Acquire)) != Phase::Serving
    }

    /// How long it has been unused between two requests, in milliseconds; nothing where it is not.
    pub fn unused_for(&self) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        (phase(state) == Phase::Waiting).then(|| now().saturating_sub(since(state)))
    }

    /// Ends it if it has taken too long, and tells for what.
    pub fn end_if_overdue(&self) -> Option<Overdue> {
        let state = self.state.load(Ordering::Acquire);
        let overdue = self.overdue(state, now())?;
        self.end_from(state).then_some(overdue)
    }

    /// Ends it if it is unused between two requests; tells whether it did.
    pub fn end_if_unused(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        phase(state) == Phase::Waiting && self.end_from(state)
    }

    /// Ends it, whatever it is doing.
    pub fn abort(&self) {
        self.enter(Phase::Ended);
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }

    /// A request that began a moment before has changed the state, and wins.
    fn end_from(&self, state: u64) -> bool {
        let Some(task) = self.task.get() else { return false };
        let ended = self.replace(state, Phase::Ended);
        if ended {
            task.abort();
        }
        ended
    }

    fn overdue(&self, state: u64, now: u64) -> Option<Overdue> {
        let elapsed = Duration::from_millis(now.saturating_sub(since(state)));
        let phase = phase(state);
        let is_unused = matches!(phase, Phase::Opening | Phase::Waiting);
        match phase {
            _ if is_unused && self.is_leaving() && elapsed >= QUIET => Some(Overdue::Farewell),
            Phase::Opening | Phase::Reading if elapsed >= self.limits.header_timeout => Some(Overdue::Header),
            Phase::Waiting if elapsed >= self.limits.idle_timeout => Some(Overdue::Idle),
            _ => None,
        }
    }

    fn enter(&self, phase_now: Phase) {
        let next = pack(phase_now, now());
        let change = |state| (phase(state) != Phase::Ended).then_some(next);
        // An error means that it has ended, which is for good.
        let _ = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, change);
    }

    fn replace(&self, state: u64, next: Phase) -> bool {
        let changed = self.state.compare_exchange(state, pack(next, now()), Ordering::AcqRel, Ordering::Acquire);
        // Only a sweep changes it beside the task that serves it, and only to end it.
        changed.is_ok()
    }
}

impl Farewell {
    /// Begins it.
    pub fn begin(&self) {
        self.0.store(now().max(1), Ordering::Release);
    }

    /// When it began, in milliseconds of the same clock.
    fn since(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Acquire)).filter(|since| *since > 0)
    }
}

impl Overdue {
    /// As a label of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::Header => "header_timeout",
            Self::Idle => "idle_timeout",
            Self::Farewell => "farewell",
        }
    }
}

fn pack(phase: Phase, milliseconds: u64) -> u64 {
    milliseconds << PHASE_BITS | phase as u64
}

fn phase(state: u64) -> Phase {
    match state & ((1 << PHASE_BITS) - 1) {
        0 => Phase::Opening,
        1 => Phase::Waiting,
        2 => Phase::Reading,
        3 => Phase::Serving,
        _ => Phase::Ended,
    }
}

fn since(state: u64) -> u64 {
    state >> PHASE_BITS
}

/// Milliseconds of a clock that does not jump, some of them late: it is asked three times for each request, and nothing
/// here is more exact than a sweep.
fn now() -> u64 {
    let now = clock_gettime(CLOCK);
    let milliseconds = now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000);
    u64::try_from(milliseconds).unwrap_or(0)
}

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::MonotonicCoarse;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;
const PHASE_BITS: u32 = 3;
/// How long a connection must have been unused for its listener to close it when it leaves. Callers that keep it busy
/// are told by their next answer, which loses no request.
const QUIET: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let limits = Limits {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            ..Limits::default()
        };
        let connection = Connection::new(Arc::new(limits), Arc::default());
        connection.bind(tokio::spawn(std::future::pending::<()>()).abort_handle());
        connection
    }

    fn overdue_after(connection: &Connection, seconds: u64) -> Option<Overdue> {
        let state = connection.state.load(Ordering::Acquire);
        connection.overdue(state, since(state) + seconds * 1000)
    }

    #[tokio::test]
    async fn each_phase_has_its_own_time() {
        let connection = connection();
        assert_eq!((overdue_after(&connection, 9), overdue_after(&connection, 10)), (None, Some(Overdue::Header)));
        assert!(connection.section_begun() && connection.request_begun());
        assert_eq!(overdue_after(&connection, 100_000), None, "a request may take its time");
        connection.wait();
        assert_eq!((overdue_after(&connection, 74), overdue_after(&connection, 75)), (None, Some(Overdue::Idle)));
        assert!(connection.section_begun());
        assert_eq!((overdue_after(&connection, 9), overdue_after(&connection, 10)), (None, Some(Overdue::Header)));
    }

    #[tokio::test]
    async fn more_bytes_of_a_section_do_not_lengthen_its_time() {
        let connection = connection();
        connection.wait();
        assert!(connection.section_begun());
        let state = connection.state.load(Ordering::Acquire);
        assert!(connection.section_begun() && connection.section_begun());
        assert_eq!(connection.state.load(Ordering::Acquire), state);
    }

    #[tokio::test]
    async fn what_has_ended_takes_no_request() {
        let connection = connection();
        connection.wait();
        assert!(connection.end_if_unused());
        assert!(!connection.section_begun() && !connection.request_begun() && !connection.end_if_unused());
        connection.wait();
        assert!(connection.has_ended());
    }

    #[tokio::test]
    async fn a_request_that_has_begun_wins_over_a_sweep() {
        let connection = connection();
        connection.wait();
        let seen = connection.state.load(Ordering::Acquire);
        assert!(connection.section_begun());
        assert!(!connection.end_from(seen));
        assert!(connection.request_begun());
    }

    #[tokio::test]
    async fn unused_connections_leave_with_their_listener() {
        let connection = connection();
        connection.farewell.begin();
        assert_eq!((overdue_after(&connection, 0), overdue_after(&connection, 1)), (None, Some(Overdue::Farewell)));
        connection.wait();
        assert_eq!(overdue_after(&connection, 1), Some(Overdue::Farewell));
        assert!(connection.section_begun());
        assert_eq!(overdue_after(&connection, 1), None, "a request is arriving");
        assert!(connection.request_begun());
        assert_eq!(overdue_after(&connection, 100), None);
    }
}
