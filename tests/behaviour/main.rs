//! The proxy from outside: real sockets, a real key set, and an identity provider that counts what reaches it.
#![expect(unreachable_pub, reason = "a test binary exports nothing; `pub` marks what other files here use")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails; so do the helpers of tests"
)]

mod answers;
mod bypass;
mod connections;
mod credentials;
mod edge;
mod exchange;
mod faults;
mod first;
mod forward;
mod grants;
mod http2;
mod interim;
mod kinds;
mod listeners;
mod paths;
mod providers;
mod rate_limits;
mod refusals;
mod relay;
mod relay_body;
mod reload;
mod resource_metadata;
mod routing;
mod saml;
mod streaming;
mod support;
mod targets;
mod tls;
mod tokens;
mod websocket;
