//! The commands of the program. They write to what they are given and report failure; only `main` prints and exits.

#[cfg(feature = "emulator")]
mod demo;
#[cfg(feature = "emulator")]
mod emulator;
mod explain;
mod run;
mod signals;

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

use crate::instance::usual_workers;

/// A reverse proxy that swaps the caller's access token for one acquired on the caller's behalf.
///
/// It matches a request to a route of routes.yaml, verifies the caller's token, exchanges it at the identity provider
/// (OAuth 2.0 On-Behalf-Of), forwards the request with the new token, and relays the answer as it came.
#[derive(Debug, Parser)]
#[command(name = "obo-proxy", version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    workers: Workers,
}

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
struct ConfigFile {
    /// The configuration
    #[arg(long, short, value_name = "FILE", env = "OBO_PROXY_CONFIG", default_value = "routes.yaml", global = true)]
    config: PathBuf,
}

/// How many threads serve.
#[derive(Debug, Clone, clap::Args)]
struct Workers {
    /// Threads that serve connections; one for each processor that the process may use where it is not given
    #[arg(long, value_name = "NUMBER", env = "OBO_PROXY_WORKERS", global = true)]
    workers: Option<NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the routes of the configuration (what happens without a command)
    Run,
    /// Check the configuration and print every finding with its line and column
    Check,
    /// Tell what the proxy would do with a request, and why
    ///
    /// Asks nobody unless --online is given. The status is 0 where the request would be forwarded, as far as can be
    /// told, 1 where it would be refused, and 2 where the question or the configuration is wrong.
    Explain(explain::ExplainArguments),
    /// Print the JSON Schema of the configuration
    Schema,
    /// Start emulator, sample target and proxy on loopback, walk through the flow, and stay up
    #[cfg(feature = "emulator")]
    Demo {
        /// Leave after the walk, with a status that says whether every step went as told
        #[arg(long)]
        once: bool,
    },
    /// Serve an identity provider like Microsoft Entra ID, for tests and local development
    #[cfg(feature = "emulator")]
    Emulator(emulator::EmulatorArguments),
    /// Serve a sample target that reports what it received and can challenge
    #[cfg(feature = "emulator")]
    SampleTarget(emulator::SampleTargetArguments),
}

/// How a command ended that said all that it had to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Well.
    Well,
    /// What was asked about would be refused.
    Refused,
}

/// Why a command failed: the text for standard error, and the exit status.
#[derive(Debug)]
pub struct Failure {
    text: String,
    status: u8,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Failure {
    fn new(cause: impl fmt::Display) -> Self {
        Self { text: format!("obo-proxy: {cause}"), status: 1 }
    }

    /// The same, as the fault of whoever gave the arguments, with the status of a wrong usage.
    fn of_usage(self) -> Self {
        Self { status: 2, ..self }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        self.status
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

/// Carries out a command.
///
/// # Errors
/// What to tell on standard error, and the exit status.
pub fn execute(arguments: Arguments, out: &mut (dyn Write + Send)) -> Result<Ending, Failure> {
    let config = arguments.config.config;
    let workers = arguments.workers.workers.unwrap_or_else(usual_workers);
    let done = match arguments.command.unwrap_or(Command::Run) {
        Command::Explain(arguments) => return in_runtime(explain::explain(&config, arguments, out)),
        Command::Run => {
            carry_out(Builder::new_multi_thread().worker_threads(BESIDE_REQUESTS), run::run(&config, workers))
        }
        Command::Check => check(&config, out),
        Command::Schema => Ok(writeln!(out, "{:#}", crate::config::schema())?),
        #[cfg(feature = "emulator")]
        Command::Demo { once } => in_runtime(demo::demo(once, out)),
        #[cfg(feature = "emulator")]
        Command::Emulator(arguments) => in_runtime(emulator::emulator(arguments, out)),
        #[cfg(feature = "emulator")]
        Command::SampleTarget(arguments) => in_runtime(emulator::sample_target(arguments, out)),
    };
    done.map(|()| Ending::Well)
}

fn check(config: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = load(config)?;
    let (routes, identities) = (settings.routes.len(), settings.identities.len());
    Ok(writeln!(out, "{}: ok ({routes} routes, {identities} identities)", config.display())?)
}

/// Findings are whole lines already; they need no program name before them.
fn load(config: &Path) -> Result<crate::config::Settings, Failure> {
    let failure = |text: String| Failure { text: text.trim_end().to_owned(), status: 1 };
    crate::config::load(config).map_err(|findings| failure(findings.to_string()))
}

fn in_runtime<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    carry_out(&mut Builder::new_multi_thread(), command)
}

fn carry_out<T>(runtime: &mut Builder, command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    runtime.enable_all().build()?.block_on(command)
}

/// The threads that accept connections, keep keys fresh, follow the configuration and answer operators; requests are served
/// by workers. Two, so that one may be busy.
const BESIDE_REQUESTS: usize = 2;
