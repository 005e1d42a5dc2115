//! Which route a request takes: canonical paths, patterns, and the table that finds the most specific one.

mod canonical;
mod encoding;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod host;
mod likeness;
mod path;
mod pattern;
#[cfg(any(test, fuzzing))]
mod readings;
mod table;
mod tree;
mod well_known;

pub use forward::{forwarded_parts, forwarded_path, is_forwarded_path};
pub use host::{HostError, HostName, HostPattern};
pub use likeness::{HostFit, Likeness};
pub use path::{PathError, RequestTarget};
pub use pattern::{Pattern, PatternError, RoutePath};
pub use table::{Found, Hit, RouteTable, Tie};
pub use well_known::described_path;
