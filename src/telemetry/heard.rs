//! Which events are written, and in which of the two formats; it can change while the program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::Metadata;
use tracing::callsite::rebuild_interest_cache;
use tracing_subscriber::filter::LevelFilter;

use super::log::{LogFormat, LogLevel, LogSettings};

/// What is written, and how. A clone is the same.
#[derive(Debug, Clone)]
pub struct LogControl(Arc<AtomicU8>);

impl LogControl {
    pub(super) fn new(settings: LogSettings) -> Self {
        Self(Arc::new(AtomicU8::new(code(settings))))
    }

    /// Other settings from now on.
    pub fn set(&self, settings: LogSettings) {
        if self.0.swap(code(settings), Ordering::AcqRel) != code(settings) {
            rebuild_interest_cache();
        }
    }

    /// What is written now, and how.
    pub fn settings(&self) -> LogSettings {
        let code = self.0.load(Ordering::Acquire);
        let format = if code & TEXT == 0 { LogFormat::Json } else { LogFormat::Text };
        let level = match code & !TEXT {
            0 => LogLevel::Error,
            1 => LogLevel::Warn,
            2 => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        LogSettings { format, level }
    }

    /// Whether such an event is written. Events ask without a lock, and most do not even ask: the answer is kept with
    /// the place in the code.
    ///
    /// Libraries are heard from `warn` on, whatever the level: at `debug` some would print headers, and with them tokens.
    pub(super) fn hears(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let least = if own { self.settings().level.filter() } else { LevelFilter::WARN };
        *metadata.level() <= least
    }

    /// The most verbose level of what is written.
    pub(super) fn most_verbose(&self) -> LevelFilter {
        self.settings().level.filter().max(LevelFilter::WARN)
    }
}

fn code(settings: LogSettings) -> u8 {
    let format = if settings.format == LogFormat::Text { TEXT } else { 0 };
    let level = match settings.level {
        LogLevel::Error => 0,
        LogLevel::Warn => 1,
        LogLevel::Info => 2,
        LogLevel::Debug => 3,
    };
    format | level
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

const TEXT: u8 = 0x80;

/// What the targets of our own events begin with.
const OWN: &str = "obo_proxy";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_what_was_set() {
        let control = LogControl::new(LogSettings::default());
        for format in [LogFormat::Json, LogFormat::Text] {
            for level in [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug] {
                let settings = LogSettings { format, level };
                control.set(settings);
                assert_eq!(control.settings(), settings);
            }
        }
    }
}
