//! The threads that serve connections. Each has an event loop and connections to targets of its own, and a connection
//! stays with the worker that it was given to: no request wakes another thread or waits for one.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pingora::time::fast_timeout::set_fast_timeout_to_tokio_threshold;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// All workers. They end when this is dropped, and what they are doing with them.
#[derive(Debug)]
pub(super) struct Workers {
    each: Box<[Worker]>,
    /// Where the search for the next one begins.
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    event_loop: Handle,
    /// How many connections it has.
    connections: Arc<AtomicUsize>,
    /// Dropped, it ends the thread.
    _stay: oneshot::Sender<()>,
}

/// The place of one connection with a worker; dropped with the connection.
#[derive(Debug)]
pub(super) struct Seat {
    /// The number of the worker.
    pub(super) worker: usize,
    pub(super) event_loop: Handle,
    connections: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts so many of them.
    ///
    /// # Errors
    /// Where the system has no more threads, or no more descriptors for their event loops.
    pub(super) fn start(count: NonZeroUsize) -> io::Result<Self> {
        // Pingora's own timers read the clock for each time-out, also where nothing has to be waited for. Those of an event
        // loop begin with the waiting, and are no work for another thread.
        set_fast_timeout_to_tokio_threshold(Some(Duration::ZERO));
        let each = (0..count.get()).map(Worker::start).collect::<io::Result<_>>()?;
        Ok(Self { each, turn: AtomicUsize::new(0) })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.each.len()
    }

    /// A place with the worker that has the fewest connections; of several such, with each in turn.
    pub(super) fn seat(&self) -> Option<Seat> {
        let start = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(self.each.len())?;
        let in_turn = self.each.iter().enumerate().cycle().skip(start).take(self.each.len());
        let (number, worker) = in_turn.min_by_key(|(_, worker)| worker.connections.load(Ordering::Relaxed))?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some(Seat {
            worker: number,
            event_loop: worker.event_loop.clone(),
            connections: Arc::clone(&worker.connections),
        })
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let event_loop = runtime.handle().clone();
        let (stay, left) = oneshot::channel();
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || run(runtime, left))?;
        Ok(Self { event_loop, connections: Arc::default(), _stay: stay })
    }
}

fn run(runtime: Runtime, mut left: oneshot::Receiver<()>) {
    // That nothing is ever sent is how it is told.
    runtime.block_on(async { while timeout(BEAT, &mut left).await.is_err() {} });
    // A name that is being resolved must not hold anybody up.
    runtime.shutdown_background();
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How often an event loop wakes at least. Whoever sets a timer that is due before all others interrupts the event loop,
/// which costs two system calls; with this one there, the time-outs of requests come later.
const BEAT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_where_the_fewest_are() {
        let workers = Workers::start(NonZeroUsize::new(3).unwrap()).unwrap();
        let mut seats: Vec<_> = (0..6).map(|_| workers.seat().unwrap()).collect();
        let mut taken: Vec<_> = seats.iter().map(|seat| seat.worker).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 0, 1, 1, 2, 2]);
        seats.retain(|seat| seat.worker != 1);
        assert_eq!([(); 2].map(|()| std::mem::ManuallyDrop::new(workers.seat().unwrap()).worker), [1, 1]);
    }

    #[test]
    fn what_a_worker_is_doing_ends_with_it() {
        let workers = Workers::start(NonZeroUsize::MIN).unwrap();
        let (held, is_dropped) = std::sync::mpsc::channel::<()>();
        workers.seat().unwrap().event_loop.spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(workers);
        let ended = is_dropped.recv_timeout(std::time::Duration::from_secs(30));
        assert_eq!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
    }
}
