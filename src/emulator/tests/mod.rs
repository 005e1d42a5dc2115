//! The emulator over real sockets, one capability per file.

mod authorize;
mod certificate;
mod client_discovery;
mod control;
mod exchange;
mod faults;
mod hostile;
mod metadata;
mod policy;
mod sign_in;
mod support;
mod target;
mod tls;
