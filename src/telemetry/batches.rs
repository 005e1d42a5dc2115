//! Log lines written in batches: the thread that writes them rests after each, so that a busy proxy neither wakes it nor
//! enters the kernel for every line.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// An output that takes many lines at once. While it takes none, as a full disk or a pipe that nobody reads any more,
/// one batch is kept for better times, and the lines that find no room in it are lost.
#[derive(Debug)]
pub(super) struct Batches<W: Write> {
    gathered: BufWriter<W>,
    lost: Arc<AtomicUsize>,
}

impl<W: Write> Batches<W> {
    /// Gathers what goes to `output`.
    pub(super) fn to(output: W) -> Self {
        Self { gathered: BufWriter::with_capacity(BATCH, output), lost: Arc::default() }
    }

    /// The number of lines that were lost.
    pub(super) fn lost(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.lost)
    }
}

impl<W: Write> Write for Batches<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.gathered.write(line);
        let given_up = |error: &io::Error| error.kind() != io::ErrorKind::Interrupted;
        if written.as_ref().is_err_and(given_up) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    /// Called when no line is waiting. Those that come during the rest are found without anybody being woken for them.
    fn flush(&mut self) -> io::Result<()> {
        self.gathered.flush()?;
        std::thread::sleep(REST);
        Ok(())
    }
}

/// The most bytes that are written at once.
const BATCH: usize = 64 * 1024;
/// How long the thread rests; a line is written at most that much later.
const REST: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk that is full or not.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (full, written) = &mut *self.0.lock().unwrap();
            if *full {
                return Err(io::ErrorKind::StorageFull.into());
            }
            written.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_for_a_full_disk_are_kept_up_to_a_batch_and_then_counted() {
        let disk = Disk::default();
        let mut batches = Batches::to(disk.clone());
        let line = [b'x'; 1024];
        disk.0.lock().unwrap().0 = true;
        for _ in 0..100 {
            let _ = batches.write_all(&line);
            let _ = batches.flush();
        }
        assert_eq!(batches.lost().load(Ordering::Relaxed), 100 - BATCH / 1024);
        disk.0.lock().unwrap().0 = false;
        batches.write_all(&line).unwrap();
        batches.flush().unwrap();
        assert_eq!(disk.0.lock().unwrap().1.len(), BATCH + 1024);
    }
}
