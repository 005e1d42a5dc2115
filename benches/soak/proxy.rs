//! The program under load: a child process, what the kernel says that it uses, and signals to it. A hand-over makes
//! another process of it, so it is found by its configuration, not by the number that it was started with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use super::provider::{CLIENT, Provider, TENANT};

/// The program, with all that succeeded it; ends with this value.
pub struct Proxy {
    child: Child,
    pub configuration: PathBuf,
}

impl Proxy {
    /// Starts the program with this configuration in a directory of its own, and waits until it listens at `address`.
    pub async fn start(directory: &Path, configuration: &str, address: &str) -> Self {
        let file = directory.join("routes.yaml");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--serve".as_ref(), file.as_os_str()]).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = child.stdout.take().unwrap();
        let log = directory.join("log");
        std::thread::spawn(move || keep(lines, &log));
        let proxy = Self { child, configuration: file };
        for _ in 0..1000 {
            if TcpStream::connect(address).await.is_ok() {
                return proxy;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{address} never listened");
    }

    /// The processes that run with this configuration, the youngest last.
    pub fn processes(&self) -> Vec<u32> {
        let wanted = self.configuration.as_os_str().as_encoded_bytes();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let runs_it = |process: &u32| {
            let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|argument| argument == wanted)
        };
        let mut found: Vec<_> = numbers.filter(runs_it).map(|process| (started(process), process)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, process)| process).collect()
    }

    /// The process that serves now.
    pub fn process(&self) -> u32 {
        self.processes().pop().unwrap_or_else(|| panic!("the proxy has ended"))
    }

    pub fn signal(&self, name: &str) {
        let process = self.process().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success(), "{name} to {process}");
    }

    /// Resident memory in KiB, and open descriptors.
    pub fn usage(&self) -> (u64, u64) {
        let process = self.process();
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let memory = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
        (memory, descriptors as u64)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let processes: Vec<_> = self.processes().iter().map(ToString::to_string).collect();
        if !processes.is_empty() {
            let _ = Command::new("kill").args(["-s", "KILL"]).args(processes).status();
        }
        let _ = self.child.wait();
    }
}

/// When a process was started, in ticks since the system was.
fn started(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = status.rsplit(')').next().unwrap_or_default();
    behind_name.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or_default()
}

/// Keeps what the log says besides requests, for whoever has to find out what went wrong.
fn keep(lines: impl std::io::Read, file: &Path) {
    use std::io::{BufRead, BufReader, Write};
    let mut file = fs::File::create(file).unwrap();
    let of_interest = |line: &String| !line.contains("\"message\":\"request\"");
    let mut lines = BufReader::new(lines).lines().map_while(Result::ok);
    for line in lines.by_ref().filter(of_interest).take(100_000) {
        let _ = writeln!(file, "{line}");
    }
    lines.for_each(drop);
}

/// The identity of every phase.
pub fn identity(provider: &Provider) -> String {
    format!(
        "identities:\n  default:\n    tenant_id: {TENANT}\n    client_id: {CLIENT}\n    authority: {}\n    \
         algorithms: [EdDSA]\n    credential: {{client_secret: soak}}\n",
        provider.authority()
    )
}

/// An empty directory of this run.
pub fn directory(phase: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("soak-{phase}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}
