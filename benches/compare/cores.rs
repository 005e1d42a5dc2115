//! Cores of their own for those whose latencies are measured, so that no caller takes a processor from them.

use std::fs;

use rustix::process::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// The cores of this process in two halves: for callers and target, and for contestants.
pub struct Halves {
    pub all: CpuSet,
    pub callers: CpuSet,
    pub contestants: CpuSet,
}

impl Halves {
    /// Nothing where there is one core only.
    pub fn here() -> Option<Self> {
        let all = sched_getaffinity(None).unwrap();
        let cores: Vec<_> = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect();
        let (callers, contestants) = cores.split_at(cores.len() / 2);
        (!callers.is_empty()).then(|| Self { all, callers: set(callers), contestants: set(contestants) })
    }
}

fn set(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    set
}

/// Where this thread runs from now on, with what it starts.
pub fn keep_thread_on(cores: &CpuSet) {
    sched_setaffinity(None, cores).unwrap();
}

/// Where all threads of this process run from now on.
pub fn keep_process_on(cores: &CpuSet) {
    for thread in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let id = thread.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        // A thread may have ended meanwhile.
        let _ = sched_setaffinity(id, cores);
    }
}
