//! Callgrind around a proxy: windows of its run are counted, and its file is read.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a function cost in a window, in instructions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    pub own: u64,
    /// With what it calls; a function that calls itself by way of others is counted again.
    pub inclusive: u64,
}

/// The costs of one window, by the name of the function.
#[derive(Debug, Default)]
pub struct Window {
    pub functions: HashMap<String, Cost>,
    /// Calls of the allocator that take memory, by the function that makes them.
    pub allocations: HashMap<String, u64>,
}

impl Window {
    /// All instructions.
    pub fn total(&self) -> u64 {
        self.functions.values().map(|cost| cost.own).sum()
    }
}

/// Whether valgrind and its remote control are there.
pub fn is_installed() -> bool {
    let found = |program| Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ["valgrind", "vgdb"].into_iter().all(|program| found(program).is_ok())
}

/// An empty directory for the files of this run.
pub fn directory() -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("instructions-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// What starts a program under callgrind, with its files in `directory` under `name`, and one worker thread: with more,
/// who wakes whom is a matter of chance.
pub fn wrapper(directory: &Path, name: &str) -> Vec<String> {
    let file = format!("--callgrind-out-file={}", directory.join(name).display());
    ["env", "TOKIO_WORKER_THREADS=1", "OBO_PROXY_WORKERS=1", "valgrind", "--quiet", "--tool=callgrind", &file]
        .map(str::to_owned)
        .to_vec()
}

/// Begins to count in a process anew.
pub fn begin(process: u32) {
    tell(process, "zero");
}

/// Reads what was counted since the beginning; it is the `turn`th time, from 1.
pub fn end(process: u32, directory: &Path, name: &str, turn: usize) -> Window {
    tell(process, "dump");
    let text = fs::read_to_string(directory.join(format!("{name}.{turn}"))).unwrap();
    read(&text)
}

fn tell(process: u32, command: &str) {
    let mut control = Command::new("vgdb");
    control.arg(format!("--pid={process}")).args(command.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(control.status().unwrap().success(), "valgrind does not listen");
}

/// The format is that of callgrind's manual: a function (`fn=`), then lines with a position and its cost; a call is a
/// callee (`cfn=`), a line `calls=`, and a line with the position and the cost of all calls.
fn read(text: &str) -> Window {
    let mut names = HashMap::new();
    let mut window = Window::default();
    let (mut current, mut callee, mut is_call) = (String::new(), String::new(), false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            current = full_name(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = full_name(name, &mut names);
        } else if let Some(call) = line.strip_prefix("calls=") {
            is_call = true;
            if takes_memory(&callee) && !takes_memory(&current) {
                let count: u64 = call.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default();
                *window.allocations.entry(current.clone()).or_default() += count;
            }
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost: u64 = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or_default();
            let sum = window.functions.entry(current.clone()).or_default();
            sum.inclusive += cost;
            sum.own += if std::mem::take(&mut is_call) { 0 } else { cost };
        }
    }
    window
}

/// The allocator, by the names that it has here and in Rust.
fn takes_memory(function: &str) -> bool {
    let own_name = function.rsplit("::").next().unwrap_or_default();
    let verbs = ["malloc", "zalloc", "calloc", "realloc"];
    own_name.starts_with("__rust_alloc")
        || own_name.starts_with("__rust_realloc")
        || own_name.strip_prefix("mi_").is_some_and(|name| verbs.iter().any(|verb| name.contains(verb)))
        || own_name.strip_prefix("_mi_").is_some_and(|name| verbs.iter().any(|verb| name.contains(verb)))
}

/// A name is written once, `(1) name`, and then as `(1)`.
fn full_name(written: &str, names: &mut HashMap<String, String>) -> String {
    match written.split_once(' ') {
        Some((number, name)) => {
            names.insert(number.to_owned(), name.to_owned());
            name.to_owned()
        }
        None => names.get(written).cloned().unwrap_or_default(),
    }
}
