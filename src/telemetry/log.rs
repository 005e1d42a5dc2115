//! The log: one line an event, JSON or text, on standard output.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use super::foreign;
use super::heard::LogControl;
use super::lines::Lines;
use super::queue::{Closing, Queue};

/// `log` of `routes.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// How a line looks.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// The least severe level that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// What needs a person now.
    Error,
    /// What will need one.
    Warn,
    /// And one line a request.
    #[default]
    Info,
    /// And how decisions came about. No level shows a token or a secret.
    Debug,
}

/// Writes out what is still waiting when it is dropped.
#[derive(Debug)]
pub struct LogGuard {
    queue: Queue,
    _closing: Closing,
    control: LogControl,
}

/// The count of log lines that were lost.
#[derive(Debug, Clone)]
pub struct DroppedLines(Queue);

/// Why there can be no log.
#[derive(Debug)]
pub enum LogError {
    /// One has been installed already.
    Installed(TryInitError),
    /// Standard output, or a thread that writes to it, is not to be had.
    Output(io::Error),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed(error) => error.fmt(f),
            Self::Output(error) => write!(f, "failed to write the log to standard output: {error}"),
        }
    }
}

impl std::error::Error for LogError {}

impl DroppedLines {
    /// How many were lost so far, because they were not taken fast enough or could not be written.
    pub fn dropped_lines(&self) -> usize {
        self.0.lost()
    }
}

impl LogGuard {
    /// A way to read how many lines were lost.
    pub fn dropped_lines(&self) -> DroppedLines {
        DroppedLines(self.queue.clone())
    }

    /// A way to change what is written.
    pub fn control(&self) -> LogControl {
        self.control.clone()
    }
}

/// Installs the log for this process. Lines are written by a thread of their own: a reader that stalls or leaves, or a
/// disk that is full, costs lines, which are counted, and never holds a request back.
///
/// # Errors
/// [`LogError`].
pub fn install(settings: LogSettings) -> Result<LogGuard, LogError> {
    let output = io::stdout().as_fd().try_clone_to_owned().map_err(LogError::Output)?;
    let (queue, closing) = Queue::to(File::from(output)).map_err(LogError::Output)?;
    let control = install_to(settings, queue.clone()).map_err(LogError::Installed)?;
    Ok(LogGuard { queue, _closing: closing, control })
}

/// As [`install`], with lines written to `writer` by whoever logs.
///
/// # Errors
/// Where a log has been installed already.
pub fn install_to<W>(settings: LogSettings, writer: W) -> Result<LogControl, TryInitError>
where
    W: for<'a> MakeWriter<'a> + Clone + Send + Sync + 'static,
{
    let control = LogControl::new(settings);
    tracing_subscriber::registry().with(Lines::new(control.clone(), writer)).try_init()?;
    foreign::install();
    Ok(control)
}
