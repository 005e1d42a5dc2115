//! Which events are written, and in which of the two formats; it can change while the program runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::callsite::rebuild_interest_cache;
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

use super::log::{LogFormat, LogLevel, LogSettings};

/// What is written, and how. A clone is the same.
#[derive(Debug, Clone)]
pub struct LogControl(Arc<AtomicU8>);

/// What of it is written in one format. Events ask without a lock, and most do not even ask: the answer is kept with
/// the place in the code.
#[derive(Debug)]
pub(super) struct Heard {
    format: LogFormat,
    control: LogControl,
}

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

    /// The part of it that is written in this format.
    pub(super) fn heard_as(&self, format: LogFormat) -> Heard {
        Heard { format, control: self.clone() }
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

impl Heard {
    /// Libraries are heard from `warn` on, whatever the level: at `debug` some would print headers, and with them tokens.
    fn hears(&self, metadata: &Metadata<'_>) -> bool {
        let settings = self.control.settings();
        let own = metadata.target().strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        let least = if own { settings.level.filter() } else { LevelFilter::WARN };
        settings.format == self.format && *metadata.level() <= least
    }
}

impl<S: Subscriber> Filter<S> for Heard {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.hears(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.hears(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let settings = self.control.settings();
        let hears = settings.format == self.format;
        Some(if hears { settings.level.filter().max(LevelFilter::WARN) } else { LevelFilter::OFF })
    }
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
