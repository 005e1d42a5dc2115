//! The proxy from outside: real sockets, a real key set, and an identity provider that counts what reaches it.
#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what other files here use")]
#![expect(missing_debug_implementations, reason = "nothing here is printed")]

mod connections;
mod exchange;
mod first;
mod forward;
mod refusals;
mod relay;
mod relay_body;
mod support;
mod tokens;
