//! The emulator over real sockets, one capability per file.

mod certificate;
mod control;
mod exchange;
mod faults;
mod hostile;
mod metadata;
mod policy;
mod support;
mod target;
mod tls;
