//! What operators see: log lines and metrics. Nothing here ever holds a token.

mod batches;
mod foreign;
mod log;
mod metrics;

pub use log::{LogFormat, LogGuard, LogLevel, LogSettings, install, install_to};
pub use metrics::{ExchangeOutcome, Metrics};
