//! On what, when and with which state of the sources figures were measured.

use std::process::Command;
use std::time::SystemTime;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Machine {
    /// As the processor calls itself.
    pub processor: String,
    pub cores: usize,
    /// Of Linux.
    pub kernel: String,
    /// `YYYY-MM-DD`
    pub date: String,
    /// Whether it was built with a profile of its own work (`make profile`).
    pub profile_guided: bool,
    /// The commit that was measured, with `-dirty` where the work tree differs from it; "unknown" outside of a checkout.
    pub commit: String,
}

impl Machine {
    pub fn here() -> Self {
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self {
            processor: processor(),
            cores: cores(),
            kernel: read("/proc/sys/kernel/osrelease"),
            date: date.chars().take("YYYY-MM-DD".len()).collect(),
            profile_guided: std::env::var("RUSTFLAGS").is_ok_and(|flags| flags.contains("profile-use")),
            commit: commit(),
        }
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        let Self { processor, cores, kernel, date, profile_guided, commit } = self;
        let build = if *profile_guided { "built with a profile" } else { "built without a profile" };
        format!("{processor}, {cores} cores, Linux {kernel}; {date}, commit {commit}, {build}")
    }
}

/// How many threads can run at once.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn processor() -> String {
    let text = read("/proc/cpuinfo");
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// What is measured is built from these sources; figures from others must be told from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    // Results that are written are not what is measured.
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", ":!benches/results"]);
    let dirty = changed.is_some_and(|changes| !changes.is_empty());
    format!("{commit}{}", if dirty { "-dirty" } else { "" })
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
