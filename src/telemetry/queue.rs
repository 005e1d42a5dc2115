//! Log lines on their way out: whoever logs adds to a queue, and a thread writes out what has gathered and then rests, so
//! that a busy proxy neither wakes it nor enters the kernel for every line. Nobody waits for a lock: that thread goes after
//! all others, and whoever had to wait for it while it holds one would wait for all others as well.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_queue::SegQueue;
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
    lines: SegQueue<Box<[u8]>>,
    /// How many bytes wait.
    waiting: AtomicUsize,
    /// How many may.
    room: AtomicUsize,
    lost: AtomicUsize,
    writer: OnceLock<Thread>,
    /// Whether the writer waits for lines.
    is_idle: AtomicBool,
    is_closed: AtomicBool,
    has_ended: Mutex<bool>,
    end: Condvar,
}

impl Queue {
    /// Lines go to `output` from now on, written by a thread of their own. While it takes none, as a full disk or a pipe
    /// that nobody reads any more, a few are kept for better times, and the others are lost.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub(super) fn to(output: impl Write + Send + 'static) -> io::Result<(Self, Closing)> {
        let queue = Self(Arc::new(Shared {
            lines: SegQueue::new(),
            waiting: AtomicUsize::new(0),
            room: AtomicUsize::new(ROOM),
            lost: AtomicUsize::new(0),
            writer: OnceLock::new(),
            is_idle: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            has_ended: Mutex::new(false),
            end: Condvar::new(),
        }));
        let shared = Arc::clone(&queue.0);
        let writer = thread::Builder::new().name("log".to_owned()).spawn(move || shared.write_out(output))?;
        // Nobody else has the queue yet.
        let _ = queue.0.writer.set(writer.thread().clone());
        Ok((queue.clone(), Closing(queue)))
    }

    /// How many lines were lost.
    pub(super) fn lost(&self) -> usize {
        self.0.lost.load(Ordering::Relaxed)
    }

    fn push(&self, lines: &[u8]) {
        let Self(shared) = self;
        let before = shared.waiting.fetch_add(lines.len(), Ordering::Relaxed);
        if before + lines.len() > shared.room.load(Ordering::Relaxed) {
            shared.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
            shared.lost.fetch_add(memchr_iter(b'\n', lines).count(), Ordering::Relaxed);
            return;
        }
        shared.lines.push(lines.into());
        shared.wake_writer();
    }
}

impl Shared {
    /// To be called after what the writer is to see. It looks for that after it has said that it is idle.
    fn wake_writer(&self) {
        fence(Ordering::SeqCst);
        // Hardly ever is it: while it writes or rests, it looks for itself.
        if self.is_idle.load(Ordering::Relaxed)
            && let Some(writer) = self.writer.get()
        {
            writer.unpark();
        }
    }

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
            self.room.store(ROOM, Ordering::Relaxed);
            thread::sleep(REST);
        }
        *self.has_ended.lock() = true;
        self.end.notify_all();
    }

    /// Takes all that is waiting; waits where nothing is. `false` is the end.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        batch.shrink_to(USUAL_BATCH);
        loop {
            // Asked before, so that no line from before the end is overlooked.
            let is_closed = self.is_closed.load(Ordering::Acquire);
            // Where lines come as fast as they are taken there is an end all the same.
            while let Some(lines) = self.lines.pop() {
                batch.extend_from_slice(&lines);
                if batch.len() >= LARGEST_BATCH {
                    break;
                }
            }
            if !batch.is_empty() {
                self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
                return true;
            }
            if is_closed {
                return false;
            }
            self.is_idle.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if self.lines.is_empty() && !self.is_closed.load(Ordering::Acquire) {
                thread::park();
            }
            self.is_idle.store(false, Ordering::Relaxed);
        }
    }

    fn wait_for_better_times(&self) {
        self.room.store(ROOM_IN_BAD_TIMES, Ordering::Relaxed);
        thread::sleep(RETRY);
    }

    /// Whether the program is ending, and its lines cannot be written.
    fn is_given_up(&self) -> bool {
        self.is_closed.load(Ordering::Acquire) && self.room.load(Ordering::Relaxed) != ROOM
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
        shared.is_closed.store(true, Ordering::Release);
        shared.wake_writer();
        shared.end.wait_while_for(&mut shared.has_ended.lock(), |has_ended| !*has_ended, LONGEST_FAREWELL);
    }
}

/// The most bytes that wait for a reader that is slow.
const ROOM: usize = 16 * 1024 * 1024;
/// The most bytes that wait while nothing can be written.
const ROOM_IN_BAD_TIMES: usize = 64 * 1024;
/// More memory than this, in bytes, is given back after a batch.
const USUAL_BATCH: usize = 256 * 1024;
/// No more is written at once, in bytes.
const LARGEST_BATCH: usize = 1024 * 1024;
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
        while queue.0.room.load(Ordering::Relaxed) == ROOM {
            thread::sleep(Duration::from_millis(1));
        }
        (1..=100).for_each(|number| queue.push(line(number).as_bytes()));
        let kept = ROOM_IN_BAD_TIMES / 1024;
        assert_eq!(queue.lost(), 100 - kept);
        disk.0.lock().0 = false;
        // Whoever closes while nothing can be written gives up what is there.
        while queue.0.room.load(Ordering::Relaxed) != ROOM {
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
        assert!(*queue.0.has_ended.lock());
    }
}
