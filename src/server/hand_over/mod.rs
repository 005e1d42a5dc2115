//! Handing the listening sockets over to a new process of this program, without a moment in which nobody accepts.
//!
//! The old process starts the new one with one end of a socket pair as its standard input, and sends the listening
//! sockets through it (`SCM_RIGHTS`). The new one reads its configuration, takes the sockets that it has addresses for,
//! becomes ready, begins to accept, and only then says so. Until then the old one serves as if nothing had happened; from
//! then on it drains. A new process that ends, closes the channel or takes too long has failed, and changes nothing.

mod channel;
mod predecessor;
mod successor;

pub use predecessor::{Inherited, Predecessor};
pub use successor::{AdminSocket, HandOver, HandOverError, Program};

/// Set for a process that is to take over.
const VARIABLE: &str = "OBO_PROXY_TAKES_OVER";
/// What the new process says when it accepts connections.
const READY: &[u8] = b"ready\n";
