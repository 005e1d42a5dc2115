//! How one request fares at its target: the addresses that it is sent to, what went wrong there, and whether it may be
//! sent once more.
//!
//! It is, where no connection could be made; where the target says that it has not touched it (HTTP/2: `GOAWAY` before
//! its stream, `REFUSED_STREAM`); and, up to `retries` times, where the connection broke off before an answer and the
//! method is idempotent (RFC 9110 section 9.2.2). Never after a part of an answer, nor once the body is not at hand any
//! more, nor because a time was over: what takes long is being done.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result, RetryType};
use tokio::time::Instant;

use super::backend::Backend;
use super::destination::{Destination, Visit};
use super::peer;
use super::settings::TargetSettings;

use crate::proxy::alarm::{self, Alarm, Line};
use crate::proxy::http2;
use crate::proxy::switching::Ear;

/// The attempts of one request.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Attempts {
    /// The one under way.
    visit: Option<Visit>,
    count: u32,
    failed_connects: usize,
    repetitions: u32,
    refusals: u32,
    /// When the target was turned to first.
    began: Option<Instant>,
    /// When it was turned to last.
    turned: Option<Instant>,
    /// How long the last connection took that was made for this request.
    connect_time: Option<Duration>,
    connect_error: Option<String>,
    is_reused: bool,
    /// What listens to the target of a WebSocket.
    ear: Option<Ear>,
    /// Whether a header section has come, other than a preliminary one.
    has_answer: bool,
    /// Whether the next attempt must not use a connection of the pool.
    wants_fresh: bool,
    /// The connection of this attempt, where it is of this request alone.
    connection: Option<Line>,
    /// When which deadline is struck that Pingora does not know.
    alarm: Option<(Instant, Deadline)>,
    /// Which deadline a silence of the target runs into.
    silence: Option<Deadline>,
    /// Which deadline was struck.
    struck: Option<Deadline>,
}

/// The deadlines of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Deadline {
    Connect,
    FirstByte,
    Read,
    Write,
    Total,
}

/// What decides whether a request can be sent again.
#[derive(Debug, Clone, Copy)]
pub(in crate::proxy) struct Repeatable {
    /// Whether the method is idempotent.
    pub(in crate::proxy) is_idempotent: bool,
    /// Whether all that was read of the body is still at hand.
    pub(in crate::proxy) has_body: bool,
}

impl Deadline {
    /// The key that sets it.
    pub(in crate::proxy) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect_timeout",
            Self::FirstByte => "first_byte_timeout",
            Self::Read => "read_timeout",
            Self::Write => "write_timeout",
            Self::Total => "timeout",
        }
    }
}

impl Attempts {
    /// The next attempt: where it goes, ready for Pingora.
    ///
    /// # Errors
    /// Where there is no address, or no time left.
    pub(in crate::proxy) async fn next(&mut self, backend: &Backend, ear: Option<&Ear>) -> Result<Box<HttpPeer>> {
        let now = Instant::now();
        self.began.get_or_insert(now);
        self.turned = Some(now);
        self.count += 1;
        self.has_answer = false;
        self.struck = None;
        self.rest();
        self.connection = None;
        self.alarm = None;
        let last = self.visit.take();
        let destination = backend.choose(last.as_ref().map(Visit::destination)).await;
        let Some(destination) = destination else {
            return Err(Error::explain(ErrorType::ConnectNoRoute, "the target's name does not resolve").into_up());
        };
        let mut peer = Box::new(destination.peer.clone());
        self.visit = Some(Visit::to(destination));
        self.set_deadlines(&mut peer, backend.settings(), ear)?;
        if std::mem::take(&mut self.wants_fresh) {
            // The pool has no connection with this key, and keeps none.
            peer.group_key = fastrand::u64(..);
            peer.options.idle_timeout = Some(Duration::ZERO);
        }
        Ok(peer)
    }

    fn set_deadlines(&mut self, peer: &mut HttpPeer, settings: &TargetSettings, ear: Option<&Ear>) -> Result<()> {
        let options = &mut peer.options;
        self.silence = Some(Deadline::Read);
        self.ear = ear.cloned();
        if let Some(ear) = ear {
            peer::fit_for_websocket(peer, ear, settings.read_timeout);
            return Ok(());
        }
        let Some(left) = self.time_left(settings) else { return Ok(()) };
        if left.is_zero() {
            return Err(self.strike());
        }
        if left < settings.read_timeout {
            self.silence = Some(Deadline::Total);
            options.read_timeout = Some(left);
        }
        let connect = settings.connect_timeout.min(left);
        options.connection_timeout = Some(connect);
        options.total_connection_timeout = Some(connect);
        Ok(())
    }

    /// What is left of `timeout`, where there is one.
    fn time_left(&self, settings: &TargetSettings) -> Option<Duration> {
        let timeout = settings.timeout?;
        Some(timeout.saturating_sub(self.began.map_or(Duration::ZERO, |began| began.elapsed())))
    }

    /// Whether it asks to go on as a WebSocket, which may last.
    pub(in crate::proxy) fn is_websocket(&self) -> bool {
        self.ear.is_some()
    }

    /// Looks at the clock while a body passes.
    ///
    /// # Errors
    /// Where the time for the whole request is over.
    pub(in crate::proxy) fn check_time(&mut self, backend: &Backend) -> Result<()> {
        match self.time_left(backend.settings()) {
            Some(Duration::ZERO) => Err(self.strike()),
            _ => Ok(()),
        }
    }

    #[expect(clippy::unnecessary_box_returns, reason = "Pingora's errors are boxed")]
    fn strike(&mut self) -> Box<Error> {
        self.struck = Some(Deadline::Total);
        Error::explain(ErrorType::ReadTimedout, "the time for the whole request is over").into_up()
    }

    /// There is a connection.
    pub(in crate::proxy) fn has_connected(&mut self, backend: &Backend, is_reused: bool, connection: RawFd) {
        self.is_reused = is_reused;
        self.connection = match &self.ear {
            Some(ear) => Some(Line::Tunnel(ear.clone())),
            None => Some(Line::Descriptor(connection)).filter(|_| !backend.settings().http2),
        };
        self.arm(backend.settings(), None);
        let took = if is_reused { None } else { self.turned.map(|turned| turned.elapsed()) };
        self.connect_time = took.or(self.connect_time);
        backend.metrics().connected(took);
    }

    /// There is none; says whether another address, or this one again, is to be tried.
    pub(in crate::proxy) fn has_not_connected(&mut self, backend: &Backend, error: &Error) -> bool {
        self.failed_connects += 1;
        self.note_deadline(error);
        // Nothing of a request has been sent yet, so this cannot quote one.
        self.connect_error = Some(error.to_string());
        let was_pooled = *error.etype() == ErrorType::H2Error;
        let is_ours = matches!(error.etype(), ErrorType::SocketError | ErrorType::BindError | ErrorType::InternalError);
        if let (Some(visit), false) = (&self.visit, was_pooled || is_ours) {
            visit.destination().has_refused(error.etype().as_str());
        }
        let most = if was_pooled { MAX_CONNECTS } else { backend.count().clamp(1, MAX_CONNECTS) };
        let settings = backend.settings();
        let spent = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        self.failed_connects < most
            && spent < settings.connect_timeout.saturating_mul(2)
            && self.time_left(settings) != Some(Duration::ZERO)
    }

    /// The last of the request is on its way; the answer may take its time from now on.
    pub(in crate::proxy) fn has_sent(&mut self, backend: &Backend) {
        if self.has_answer {
            return;
        }
        let settings = backend.settings();
        // The silence that Pingora allows a WebSocket is too long for its handshake.
        let handshake = Some((settings.read_timeout, Deadline::Read)).filter(|_| self.is_websocket());
        let first_byte = settings.first_byte_timeout.map(|time| (time, Deadline::FirstByte)).or(handshake);
        if let Some((time, deadline)) = first_byte {
            self.arm(settings, Some((Instant::now() + time, deadline)));
        }
    }

    /// A header section has come from the target.
    pub(in crate::proxy) fn has_answered(&mut self, backend: &Backend, is_informational: bool) {
        if let (Some(visit), false) = (&self.visit, is_informational) {
            visit.destination().has_answered();
            self.has_answer = true;
            self.arm(backend.settings(), None);
        }
    }

    /// Sets the alarm to the earlier of a deadline and the end of the time for the whole request.
    fn arm(&mut self, settings: &TargetSettings, deadline: Option<(Instant, Deadline)>) {
        let whole = settings.timeout.filter(|_| !self.is_websocket()).zip(self.began);
        let whole = whole.and_then(|(time, began)| Some((began.checked_add(time)?, Deadline::Total)));
        self.alarm = deadline.into_iter().chain(whole).min_by_key(|(at, _)| *at);
        let alarm = self.alarm.zip(self.connection.clone());
        alarm::set_alarm(alarm.map(|((at, _), connection)| Alarm { at, connection }));
    }

    /// No alarm from now on: the connection is given back or closed.
    pub(in crate::proxy) fn rest(&self) {
        if self.alarm.is_some() {
            alarm::set_alarm(None);
        }
    }

    /// The deadline whose alarm has gone off.
    fn overdue(&self) -> Option<Deadline> {
        self.alarm.filter(|(at, _)| Instant::now() >= *at).map(|(_, deadline)| deadline)
    }

    /// The exchange with the target ended with an error; says whether the request is to be sent again.
    pub(in crate::proxy) fn has_broken_off(&mut self, backend: &Backend, error: &Error, can: Repeatable) -> bool {
        self.rest();
        if self.has_answer || *error.esource() != ErrorSource::Upstream {
            return false;
        }
        self.note_deadline(error);
        let untouched = is_untouched(error);
        if untouched {
            self.refusals += 1;
            return again(backend, can.has_body && self.refusals <= MAX_REFUSALS);
        }
        let is_late = self.struck.is_some();
        let is_lost = is_loss(error) && !is_late;
        // That a pooled connection was closed says nothing of the address.
        if let (Some(visit), true) = (&self.visit, is_late || (is_lost && !self.is_reused)) {
            visit.destination().has_failed(error.etype().as_str());
        }
        let settings = backend.settings();
        let repeats = is_lost && can.is_idempotent && can.has_body && self.repetitions < settings.retries;
        if repeats {
            self.repetitions += 1;
            self.wants_fresh = !settings.http2;
        }
        again(backend, repeats)
    }

    /// Notes which deadline an error is about.
    pub(in crate::proxy) fn note_deadline(&mut self, error: &Error) {
        if *error.esource() != ErrorSource::Upstream && !matches!(error.etype(), ErrorType::ConnectTimedout) {
            return;
        }
        self.struck = self.struck.or(match error.etype() {
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Some(Deadline::Connect),
            ErrorType::ReadTimedout => self.silence,
            ErrorType::WriteTimedout => Some(Deadline::Write),
            _ if is_loss(error) => self.overdue(),
            _ => None,
        });
    }

    /// Which deadline was struck.
    pub(in crate::proxy) fn struck(&self) -> Option<Deadline> {
        self.struck
    }

    /// How many attempts there were.
    pub(in crate::proxy) fn count(&self) -> u32 {
        self.count
    }

    /// When the target was turned to for the last time.
    pub(in crate::proxy) fn turned(&self) -> Option<Instant> {
        self.turned
    }

    /// The address of the last attempt.
    pub(in crate::proxy) fn address(&self) -> Option<&str> {
        self.destination().map(|destination| destination.health.address())
    }

    fn destination(&self) -> Option<&Arc<Destination>> {
        self.visit.as_ref().map(Visit::destination)
    }

    /// How long the last connection took that was made for this request.
    pub(in crate::proxy) fn connect_time(&self) -> Option<Duration> {
        self.connect_time
    }

    /// Why the target could not be connected to, in Pingora's words.
    pub(in crate::proxy) fn connect_error(&self) -> Option<&str> {
        self.connect_error.as_deref()
    }
}

/// Whether an HTTP/2 target says that it has done nothing with the request (RFC 9113 section 8.7). That Pingora has
/// decided for a repetition means a `GOAWAY` before the stream.
fn is_untouched(error: &Error) -> bool {
    http2::was_refused(error) || (*error.etype() == ErrorType::H2Error && error.retry == RetryType::Decided(true))
}

fn again(backend: &Backend, again: bool) -> bool {
    if again {
        backend.metrics().sent_again();
    }
    again
}

/// Whether a connection broke off.
fn is_loss(error: &Error) -> bool {
    use ErrorType::{ConnectionClosed, H2Error, ReadError, WriteError};
    matches!(error.etype(), ConnectionClosed | ReadError | WriteError | H2Error)
}

/// The most addresses of a target that one request tries.
const MAX_CONNECTS: usize = 6;
/// How often a request is sent again that the target has not touched.
const MAX_REFUSALS: u32 = 3;
