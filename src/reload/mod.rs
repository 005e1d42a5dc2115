//! A configuration that changes while it serves: when its files are read again, and what came of it.

mod record;
mod watch;

pub use record::{Attempt, Cause, Record, Serving};
pub use watch::{LOOK_INTERVAL, Watch};
