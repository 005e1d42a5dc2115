//! Log lines written in batches: the thread that writes them rests after each, so that a busy proxy neither wakes it nor
//! enters the kernel for every line.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// An output that takes many lines at once.
#[derive(Debug)]
pub(super) struct Batches<W: Write>(BufWriter<W>);

impl<W: Write> Batches<W> {
    /// Gathers what goes to `output`.
    pub(super) fn to(output: W) -> Self {
        Self(BufWriter::with_capacity(BATCH, output))
    }
}

impl<W: Write> Write for Batches<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line)
    }

    /// Called when no line is waiting. Those that come during the rest are found without anybody being woken for them.
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        std::thread::sleep(REST);
        Ok(())
    }
}

/// The most bytes that are written at once.
const BATCH: usize = 64 * 1024;
/// How long the thread rests; a line is written at most that much later.
const REST: Duration = Duration::from_millis(5);
