//! Client libraries that others wrote, in Python, JavaScript and Rust, at the built program over TLS under private
//! authorities: as confidential clients of the emulator, as callers of the proxy, as readers of its challenges and as
//! verifiers of its signatures.
//!
//! And servers that others wrote, as targets of requests that are meant to confuse them (`desync`).
//!
//! Each other test runs one function of a script under `python` or `node`. The libraries are installed below the target
//! directory, in exactly the versions that are listed beside the scripts, and stay there for the next run.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends where it cannot go on")]
#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what other files here use")]

mod azure_core;
mod azure_identity;
mod challenges;
mod desync;
mod forms;
mod grpc;
mod msal;
mod scripts;
mod signatures;
mod support;
mod websocket;
