//! A child process with all that it started itself, and what the kernel says that they used.

use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// A running child; it ends with this value.
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        Ok(Self { child: command.spawn()? })
    }

    /// Whether it runs still.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The CPU time, user and system, that all its threads and those of its children have had.
    pub fn cpu(&self) -> Duration {
        self.family().into_iter().map(cpu).sum()
    }

    /// Resident memory now and at its highest, in KiB, summed over its processes. Pages that they share count for each.
    pub fn memory(&self) -> Memory {
        let each = self.family().into_iter().map(memory);
        each.fold(Memory::default(), |sum, one| Memory { now: sum.now + one.now, peak: sum.peak + one.peak })
    }

    /// Asks it to end, so that it writes out what it has gathered; ends it if it has not after some seconds.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        let begun = Instant::now();
        while self.runs() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The child and its descendants.
    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(process) = family.get(next) {
            let children = children(*process);
            family.extend(children);
            next += 1;
        }
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            self.stop();
        }
    }
}

/// In KiB.
#[derive(Debug, Default, Clone, Copy)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

fn children(process: u32) -> Vec<u32> {
    let of_thread = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let texts = threads(process).map(of_thread);
    texts.flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}

/// The first number of `schedstat` is the time on a CPU in nanoseconds, as the scheduler accounts for it.
fn cpu(process: u32) -> Duration {
    let of_thread = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(threads(process).filter_map(of_thread).sum())
}

fn threads(process: u32) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten()
}

fn memory(process: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
    };
    Memory { now: value("VmRSS:"), peak: value("VmHWM:") }
}

/// How long a child has to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
