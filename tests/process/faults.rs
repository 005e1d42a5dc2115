//! The machine fails the program: the log cannot be written, descriptors run out, the clock jumps, names do not resolve,
//! the process is killed. Requests go on or fail honestly, and afterwards all is well without a restart.

mod clock;
mod descriptors;
mod killed;
mod log;
mod names;

use std::path::Path;
use std::process::Command;

use crate::support::program::{Program, command};
use crate::support::{Reservation, SECRET, file};

/// `obo-proxy run` with this configuration, after a command that changes what surrounds it.
fn run_below(wrapper: &str, configuration: &str) -> Command {
    let path = file(configuration);
    let program = command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{wrapper}; exec \"$0\" \"$@\"")]).arg(program.get_program());
    command.args(["run", "--config", path.to_str().unwrap()]);
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    command
}

/// Addresses that are known beforehand, as configuration, and as URLs of callers and of the admin listener.
struct Addresses {
    reserved: [Reservation; 2],
}

impl Addresses {
    fn take() -> Self {
        Self { reserved: [Reservation::take(), Reservation::take()] }
    }

    fn configuration(&self) -> String {
        let [listen, admin] = self.reserved.each_ref().map(Reservation::address);
        format!("listen: [{{address: '{listen}'}}]\nadmin: {{address: '{admin}'}}\n")
    }

    fn urls(&self) -> (String, String) {
        let [listen, admin] = self.reserved.each_ref().map(|reserved| format!("http://{}", reserved.address()));
        (listen, admin)
    }
}

/// Neither our secret nor one of these tokens was written anywhere.
fn shows_nothing(program: &Program, tokens: &[&str]) {
    let written = program.stdout() + &program.stderr();
    for secret in tokens.iter().copied().chain([SECRET]) {
        // The signature alone would be enough to rebuild a token from what else is known of it.
        let signature = secret.rsplit('.').next().unwrap_or(secret);
        assert!(!written.contains(signature), "written: {signature}");
    }
}

/// A library of the system that is put before a program, such as `libfaketime`; `make test` installs it.
fn preloaded(name: &str) -> String {
    let below = |directory: &str| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.collect::<Vec<_>>()
    };
    let directories = ["/usr/lib", "/usr/lib64", "/lib"];
    let direct = directories.iter().map(|directory| Path::new(directory).join(name));
    let nested = directories
        .iter()
        .flat_map(|directory| below(directory))
        .flat_map(|directory| [directory.join(name), directory.join("faketime").join(name)]);
    let found = direct.chain(nested).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed; \"make test\" installs it")).display().to_string()
}
