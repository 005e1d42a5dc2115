//! A proxy as a child process that tells how much it has allocated whenever it is asked: a line on its standard input
//! is answered by a line on its standard error.

use std::alloc::System;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use stats_alloc::StatsAlloc;
use tokio::net::TcpSocket;

use super::load::{self, Caller};
use super::system::{address, reserve};

/// A running proxy; ends with this value.
pub struct Counted {
    child: Child,
    answers: BufReader<ChildStderr>,
    address: String,
    _port: TcpSocket,
}

/// Calls of the allocator that took memory or more of it, and the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub calls: f64,
    pub bytes: f64,
}

/// In the child: answers every line that comes in.
pub fn answer_on_standard_error(allocator: &'static StatsAlloc<System>) {
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            let stats = allocator.stats();
            eprintln!("{ANSWER} {} {}", stats.allocations + stats.reallocations, stats.bytes_allocated);
        }
    });
}

impl Counted {
    /// A Pingora proxy that only picks the peer.
    pub fn bare(target: &str) -> Self {
        let port = reserve();
        let address = address(&port);
        Self::start(&["--serve", "bare", &address, target], port)
    }

    /// `obo-proxy run`; `configuration` is told where to listen.
    pub fn obo(configuration: impl FnOnce(&str) -> String) -> Self {
        let port = reserve();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guard-{}.yaml", std::process::id()));
        std::fs::write(&file, configuration(&address(&port))).unwrap();
        Self::start(&["--serve", "obo", file.to_str().unwrap()], port)
    }

    /// With one worker thread, so that there is one order of events.
    fn start(arguments: &[&str], port: TcpSocket) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(arguments).env("TOKIO_WORKER_THREADS", "1").env("OBO_PROXY_WORKERS", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = child.stdout.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let answers = BufReader::new(child.stderr.take().unwrap());
        Self { child, answers, address: address(&port), _port: port }
    }

    /// A connection on which the request has been answered.
    pub async fn caller(&self, request: &[u8]) -> Caller {
        for _ in 0..PATIENCE {
            if let Some(caller) = load::connect_served(&self.address, request).await {
                return caller;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("{} never served", self.address);
    }

    /// What it has allocated so far.
    pub fn counts(&mut self) -> Counts {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "{} has ended", self.address);
            if let Some(counts) = Counts::read(&line) {
                return counts;
            }
            print!("{}: {line}", self.address);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Counts {
    fn read(line: &str) -> Option<Self> {
        let mut numbers = line.strip_prefix(ANSWER)?.split_whitespace().map(str::parse);
        Some(Self { calls: numbers.next()?.ok()?, bytes: numbers.next()?.ok()? })
    }

    /// Per request, where `requests` came since `before`.
    pub fn since(self, before: Self, requests: u32) -> Self {
        let each = |now: f64, before: f64| (now - before) / f64::from(requests);
        Self { calls: each(self.calls, before.calls), bytes: each(self.bytes, before.bytes) }
    }
}

const ANSWER: &str = "allocated";
const PATIENCE: usize = 1_500;
const PAUSE: Duration = Duration::from_millis(20);
