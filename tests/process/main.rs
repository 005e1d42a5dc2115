//! The built program as operators meet it: a child process with its output, its signals and its exit status.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends where it cannot go on")]
#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what other files here use")]

mod access_line;
mod commands;
mod compose;
mod explain;
mod faults;
mod hand_over;
mod identity_provider;
mod leaving;
mod metrics;
mod open_files;
mod refusing;
mod reloading;
mod secrecy;
mod support;
