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

/// A request with its alarm.
pub(super) struct Watched<F> {
    request: F,
    alarm: Option<Alarm>,
    /// Ready when the alarm goes off; made for the first alarm.
    clock: Option<Pin<Box<Sleep>>>,
}

impl<F> Watched<F> {
    pub(super) fn new(request: F) -> Self {
        Self { request, alarm: None, clock: None }
    }

    /// Ready when the alarm goes off, which then is none any more.
    fn poll_alarm(&mut self, context: &mut Context<'_>, at: Instant) -> Poll<()> {
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if clock.deadline() != at {
            clock.as_mut().reset(at);
        }
        ready!(clock.as_mut().poll(context));
        if let Some(alarm) = self.alarm.take() {
            alarm.connection.shut_down();
        }
        Poll::Ready(())
    }
}

impl<F: Future + Unpin> Future for Watched<F> {
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
        Watched::new(cleared).await;
        assert!(theirs.read(&mut [0]).is_err(), "still open");
        let struck = Box::pin(async move {
            set_alarm(Some(alarm()));
            tokio::time::sleep(Duration::from_secs(9)).await;
        });
        Watched::new(struck).await;
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
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
        let (set, unset) = tokio::join!(Watched::new(set), Watched::new(unset));
        assert!(set.is_some() && unset.is_none());
    }
}
