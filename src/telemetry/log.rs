//! The log: one line an event, JSON or text, on standard output.

use std::io;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry, fmt};

use super::batches::Batches;
use super::foreign;

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
    dropped: ErrorCounter,
}

impl LogGuard {
    /// A way to read how many lines were lost because nobody took them fast enough.
    pub fn dropped_lines(&self) -> ErrorCounter {
        self.dropped.clone()
    }
}

/// Installs the log for this process. Lines are written by a thread of their own: a reader that stalls costs lines,
/// which are counted, and never holds a request back.
///
/// Libraries are heard from `warn` on, whatever the level: at `debug` some would print headers, and with them tokens.
///
/// # Errors
/// Where a log has been installed already.
pub fn install(settings: LogSettings) -> Result<LogGuard, TryInitError> {
    let (writer, worker) = NonBlockingBuilder::default().lossy(true).finish(Batches::to(io::stdout()));
    let dropped = writer.error_counter();
    install_to(settings, writer)?;
    Ok(LogGuard { _worker: worker, dropped })
}

/// As [`install`], with lines written to `writer` by whoever logs.
///
/// # Errors
/// Where a log has been installed already.
pub fn install_to<W>(settings: LogSettings, writer: W) -> Result<(), TryInitError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        LogFormat::Json => lines.json().flatten_event(true).with_target(false).boxed(),
        LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
    };
    let heard = Targets::new().with_default(LevelFilter::WARN).with_target("obo_proxy", settings.level.filter());
    tracing_subscriber::registry().with(lines.with_filter(heard)).try_init()?;
    foreign::install();
    Ok(())
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}
