//! Which route a request takes: canonical paths, patterns, and the table that finds the most specific one.

mod encoding;
mod host;
mod path;
mod pattern;
mod table;
mod tree;

pub use host::{HostError, HostName, HostPattern};
pub use path::{PathError, RequestTarget};
pub use pattern::{Pattern, PatternError, RoutePath};
pub use table::{Found, Hit, RouteTable, Tie};
