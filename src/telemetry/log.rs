//! The log: one line an event, JSON or text, on standard output.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use super::batches::Batches;
use super::foreign;
use super::heard::LogControl;

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

/// Writes out what is still buffered when it is dropped.
#[derive(Debug)]
pub struct LogGuard {
    _worker: WorkerGuard,
    dropped: DroppedLines,
    control: LogControl,
}

/// The count of log lines that were lost.
#[derive(Debug, Clone)]
pub struct DroppedLines {
    /// Because they were not taken fast enough.
    overflown: ErrorCounter,
    /// Because they could not be written.
    unwritten: Arc<AtomicUsize>,
}

impl DroppedLines {
    /// How many were lost so far.
    pub fn dropped_lines(&self) -> usize {
        self.overflown.dropped_lines().saturating_add(self.unwritten.load(Ordering::Relaxed))
    }
}

impl LogGuard {
    /// A way to read how many lines were lost.
    pub fn dropped_lines(&self) -> DroppedLines {
        self.dropped.clone()
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
/// Where a log has been installed already.
pub fn install(settings: LogSettings) -> Result<LogGuard, TryInitError> {
    let batches = Batches::to(io::stdout());
    let unwritten = batches.lost();
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).finish(batches);
    let dropped = DroppedLines { overflown: writer.error_counter(), unwritten };
    let control = install_to(settings, writer)?;
    Ok(LogGuard { _worker: worker, dropped, control })
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
    let json = fmt::layer().with_writer(writer.clone()).json().flatten_event(true).with_target(false);
    let text = fmt::layer().with_writer(writer).with_ansi(false).with_target(false);
    let json = json.with_filter(control.heard_as(LogFormat::Json)).boxed();
    let text = text.with_filter(control.heard_as(LogFormat::Text)).boxed();
    tracing_subscriber::registry().with(vec![json, text]).try_init()?;
    foreign::install();
    Ok(control)
}
