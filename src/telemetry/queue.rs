//! Log lines on their way out: whoever logs adds to a buffer, and a thread writes out what has gathered and then rests,
//! so that a busy proxy neither wakes it nor enters the kernel for every line.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use memchr::memchr_iter;
use parking_lot::{Condvar, Mutex};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tracing_subscriber::fmt::MakeWriter;

/// Where lines go. A clone is the same.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

/// Writes out what is still waiting when it is dropped, unless that takes too long.
#[derive(Debug)]
pub(super) struct Closing(Queue);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    has_arrived: Condvar,
    has_ended: Condvar,
    lost: AtomicUsize,
}

#[derive(Debug)]
struct Waiting {
    lines: Vec<u8>,
    /// How many bytes may wait.
    room: usize,
    is_closed: bool,
    has_ended: bool,
}

impl Queue {
    /// Lines go to `output` from now on, written by a thread of their own. While it takes none, as a full disk or a pipe
    /// that nobody reads any more, a few are kept for better times, and the others are lost.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub(super) fn to(output: impl Write + Send + 'static) -> io::Result<(Self, Closing)> {
        let waiting = Waiting { lines: Vec::new(), room: ROOM, is_closed: false, has_ended: false };
        let queue = Self(Arc::new(Shared {
            waiting: Mutex::new(waiting),
            has_arrived: Condvar::new(),
            has_ended: Condvar::new(),
            lost: AtomicUsize::new(0),
        }));
        let shared = Arc::clone(&queue.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_out(output))?;
        Ok((queue.clone(), Closing(queue)))
    }

    /// How many lines were lost.
    pub(super) fn lost(&self) -> usize {
        self.0.lost.load(Ordering::Relaxed)
    }

    fn push(&self, lines: &[u8]) {
        let mut waiting = self.0.waiting.lock();
        if waiting.lines.len() + lines.len() > waiting.room {
            drop(waiting);
            self.0.lost.fetch_add(memchr_iter(b'\n', lines).count(), Ordering::Relaxed);
            return;
        }
        waiting.lines.extend_from_slice(lines);
        drop(waiting);
        // Of no cost while the thread writes or rests: it looks for itself.
        self.0.has_arrived.notify_one();
    }
}

impl Shared {
    fn write_out(&self, mut output: impl Write) {
        // An error means that it is as urgent as the rest, which is no harm. On Linux this is about one thread.
        let _ = setpriority_process(Some(gettid()), NICE);
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            let mut rest = &*batch;
            while !rest.is_empty() {
                match output.write(rest) {
                    Ok(0) => self.wait_for_better_times(),
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => self.wait_for_better_times(),
                }
                if self.is_given_up() {
                    break;
                }
            }
            self.waiting.lock().room = ROOM;
            thread::sleep(REST);
        }
        self.waiting.lock().has_ended = true;
        self.has_ended.notify_all();
    }

    /// Takes all that is waiting; waits where nothing is. `false` is the end.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        batch.shrink_to(USUAL_BATCH);
        let mut waiting = self.waiting.lock();
        while waiting.lines.is_empty() && !waiting.is_closed {
            self.has_arrived.wait(&mut waiting);
        }
        std::mem::swap(&mut waiting.lines, batch);
        !batch.is_empty()
    }

    fn wait_for_better_times(&self) {
        self.waiting.lock().room = ROOM_IN_BAD_TIMES;
        thread::sleep(RETRY);
    }

    /// Whether the program is ending, and its lines cannot be written.
    fn is_given_up(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.is_closed && waiting.room != ROOM
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Queue;

    fn make_writer(&'a self) -> &'a Queue {
        self
    }
}

impl Write for &Queue {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.push(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let Queue(shared) = &self.0;
        let mut waiting = shared.waiting.lock();
        waiting.is_closed = true;
        shared.has_arrived.notify_one();
        shared.has_ended.wait_while_for(&mut waiting, |waiting| !waiting.has_ended, LONGEST_FAREWELL);
    }
}

/// The most bytes that wait for a reader that is slow.
const ROOM: usize = 16 * 1024 * 1024;
/// The most bytes that wait while nothing can be written.
const ROOM_IN_BAD_TIMES: usize = 64 * 1024;
/// More memory than this, in bytes, is given back after a batch.
const USUAL_BATCH: usize = 256 * 1024;
/// How long the thread rests; a line is written at most that much later. Not long: while it writes, others wait for its
/// processor.
const REST: Duration = Duration::from_millis(1);
/// Requests go before their lines; as of `nice`.
const NICE: i32 = 10;
/// How long until it tries again what could not be written.
const RETRY: Duration = Duration::from_millis(20);
/// How long the end of the program waits for the last lines.
const LONGEST_FAREWELL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that is full or not.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (full, written) = &mut *self.0.lock();
            if *full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            // As a disk may, it takes less than it is offered.
            let taken = bytes.len().min(1_000);
            written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(number: usize) -> String {
        format!("{number:0>1023}\n")
    }

    #[test]
    fn every_line_is_written_once_and_in_its_order() {
        let disk = Disk::default();
        let (queue, closing) = Queue::to(disk.clone()).unwrap();
        (0..500).for_each(|number| queue.push(line(number).as_bytes()));
        drop(closing);
        assert_eq!(queue.lost(), 0);
        assert!(disk.0.lock().1 == (0..500).map(line).collect::<String>().into_bytes());
    }

    #[test]
    fn a_few_lines_for_a_full_disk_are_kept_and_the_others_counted() {
        let disk = Disk::default();
        disk.0.lock().0 = true;
        let (queue, closing) = Queue::to(disk.clone()).unwrap();
        queue.push(line(0).as_bytes());
        while queue.0.waiting.lock().room == ROOM {
            thread::sleep(Duration::from_millis(1));
        }
        (1..=100).for_each(|number| queue.push(line(number).as_bytes()));
        let kept = ROOM_IN_BAD_TIMES / 1024;
        assert_eq!(queue.lost(), 100 - kept);
        disk.0.lock().0 = false;
        // Whoever closes while nothing can be written gives up what is there.
        while queue.0.waiting.lock().room != ROOM {
            thread::sleep(Duration::from_millis(1));
        }
        drop(closing);
        assert!(disk.0.lock().1 == (0..=kept).map(line).collect::<String>().into_bytes());
    }

    #[test]
    fn a_disk_that_stays_full_does_not_hold_up_the_end() {
        let disk = Disk::default();
        disk.0.lock().0 = true;
        let (queue, closing) = Queue::to(disk).unwrap();
        queue.push(line(0).as_bytes());
        drop(closing);
        assert!(queue.0.waiting.lock().has_ended);
    }
}
