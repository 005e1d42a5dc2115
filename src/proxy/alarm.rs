//! Deadlines that Pingora does not have: from turning to a target to its header section, and for a request as a whole.
//!
//! Pingora knows one longest silence for the whole of an answer, and no time for all of it. So each request is polled
//! inside a future that knows when its time is over. It then shuts the connection to the target down: Pingora's own
//! reading of it ends, and with it the request, on the way of every other failure.
//!
//! A connection is known by its descriptor here. The alarm of a request is set after its connection has been made, and
//! cleared in the very poll in which the connection is given back or closed; it goes off between two polls only. So the
//! descriptor cannot be somebody else's by then. HTTP/2 connections carry other requests as well, and have no alarm.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::sys::socket::{Shutdown, shutdown};
use tokio::time::{Instant, Sleep, sleep_until};

use super::switching::Ear;

/// When the connection to a target is shut down.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    pub(super) at: Instant,
    pub(super) connection: Line,
}

/// A connection to a target.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// One that Pingora made.
    Descriptor(RawFd),
    /// One for a WebSocket, which is of our own making.
    Tunnel(Ear),
}

impl Line {
    fn shut_down(&self) {
        match self {
            // An error means that the target has closed it already.
            Self::Descriptor(descriptor) => drop(shutdown(*descriptor, Shutdown::Both)),
            Self::Tunnel(ear) => ear.hang_up(),
        }
    }
}

thread_local! {
    /// The alarm of the request that is being polled.
    static ALARM: Cell<Option<Alarm>> = const { Cell::new(None) };
}

/// Sets the alarm of the request that is being polled, or clears it.
pub(super) fn set_alarm(alarm: Option<Alarm>) {
    ALARM.set(alarm);
}

/// What wakes a task when an alarm is to go off; of use for one request after another. It is set once for many alarms:
/// one that is set too early for the alarm that there is when it wakes the task is set again then.
#[derive(Debug, Default)]
pub struct AlarmClock(Option<Pin<Box<Sleep>>>);

impl AlarmClock {
    fn poll_until(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        let clock = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if clock.deadline() > at {
            clock.as_mut().reset(at);
        }
        ready!(clock.as_mut().poll(context));
        while clock.deadline() < at {
            clock.as_mut().reset(at);
            ready!(clock.as_mut().poll(context));
        }
        Poll::Ready(())
    }
}

/// A request with its alarm.
pub(super) struct Watched<'a, F> {
    request: F,
    alarm: Option<Alarm>,
    clock: &'a mut AlarmClock,
}

impl<'a, F> Watched<'a, F> {
    pub(super) fn new(request: F, clock: &'a mut AlarmClock) -> Self {
        Self { request, alarm: None, clock }
    }

    /// Ready when the alarm goes off, which then is none any more.
    fn poll_alarm(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        ready!(self.clock.poll_until(context, at));
        if let Some(alarm) = self.alarm.take() {
            alarm.connection.shut_down();
        }
        Poll::Ready(())
    }
}

impl<F: Future + Unpin> Future for Watched<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        loop {
            ALARM.set(self.alarm.take());
            let outcome = Pin::new(&mut self.request).poll(context);
            self.alarm = ALARM.take();
            let (Poll::Pending, Some(at)) = (&outcome, self.alarm.as_ref().map(|alarm| alarm.at)) else {
                return outcome;
            };
            // The request is polled again: it finds the end of its connection.
            ready!(self.poll_alarm(context, at));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_shut_down_when_the_alarm_of_its_request_goes_off_and_not_after_it_was_cleared() {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let connection = ours.as_raw_fd();
        let alarm =
            move || Alarm { at: Instant::now() + Duration::from_secs(1), connection: Line::Descriptor(connection) };
        let cleared = Box::pin(async move {
            set_alarm(Some(alarm()));
            tokio::time::sleep(Duration::from_millis(900)).await;
            set_alarm(None);
            tokio::time::sleep(Duration::from_secs(9)).await;
        });
        let mut clock = AlarmClock::default();
        Watched::new(cleared, &mut clock).await;
        assert!(theirs.read(&mut [0]).is_err(), "still open");
        let struck = Box::pin(async move {
            set_alarm(Some(alarm()));
            tokio::time::sleep(Duration::from_secs(9)).await;
        });
        Watched::new(struck, &mut clock).await;
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_rings_for_each_alarm_at_its_time_whatever_it_was_set_for_before() {
        let mut clock = AlarmClock::default();
        let start = Instant::now();
        for (set_at, rings_at) in [(0, 500), (500, 700), (700, 720), (5_000, 5_100), (5_100, 5_090 + 1_000)] {
            tokio::time::sleep_until(start + Duration::from_millis(set_at)).await;
            let at = start + Duration::from_millis(rings_at);
            // One that is not waited for, later or earlier than the one that is.
            let other = start + Duration::from_millis(rings_at + 300 - rings_at % 400);
            let polled = std::future::poll_fn(|context| Poll::Ready(clock.poll_until(context, other).is_ready())).await;
            assert!(!polled || other <= Instant::now());
            std::future::poll_fn(|context| clock.poll_until(context, at)).await;
            assert_eq!(
                Instant::now().duration_since(start).as_millis(),
                u128::from(rings_at.max(set_at)),
                "{rings_at}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_in_turn_do_not_see_the_alarms_of_others() {
        let set = Box::pin(async {
            set_alarm(Some(Alarm { at: Instant::now() + Duration::from_secs(9), connection: Line::Descriptor(-1) }));
            tokio::time::sleep(Duration::from_secs(1)).await;
            ALARM.take()
        });
        let unset = Box::pin(async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            ALARM.take()
        });
        let (mut one, mut other) = Default::default();
        let (set, unset) = tokio::join!(Watched::new(set, &mut one), Watched::new(unset, &mut other));
        assert!(set.is_some() && unset.is_none());
    }
}
