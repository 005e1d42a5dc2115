//! The proxy as Pingora runs it, once for each worker: so each has its own connections to targets.

use std::fmt;
use std::sync::Arc;

use pingora::apps::HttpServerOptions;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;

use crate::connection::Limits;
use crate::proxy::{Gateway, Punctual};

/// One proxy for each worker.
pub(super) struct Proxies {
    first: Arc<Punctual>,
    others: Box<[Arc<Punctual>]>,
}

impl Proxies {
    /// For so many workers, one at least.
    pub(super) fn new(gateway: &Gateway, limits: &Limits, workers: usize) -> Self {
        let make = || Arc::new(new_proxy(gateway.clone(), limits));
        Self { first: make(), others: (1..workers).map(|_| make()).collect() }
    }

    /// The one of the worker with this number.
    pub(super) fn of(&self, worker: usize) -> &Arc<Punctual> {
        worker.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("workers", &(1 + self.others.len())).finish_non_exhaustive()
    }
}

fn new_proxy(gateway: Gateway, limits: &Limits) -> Punctual {
    let conf = Arc::new(ServerConf {
        max_retries: MAX_ATTEMPTS,
        upstream_keepalive_pool_size: IDLE_CONNECTIONS,
        threads: 1,
        ..ServerConf::default()
    });
    let mut proxy = http_proxy(&conf, gateway);
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(limits.idle_timeout);
    proxy.server_options = Some(options);
    proxy.h2_options = Some(h2_options(limits));
    Punctual::new(proxy)
}

fn h2_options(limits: &Limits) -> H2Options {
    let mut options = default_h2_options();
    options
        .max_concurrent_streams(limits.streams)
        // HTTP/2 counts 32 bytes more for each field; the rest of the answer is the proxy's.
        .max_header_list_size(limits.header_bytes.saturating_add(FIELD_OVERHEAD))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESET_STREAMS)
        .max_pending_accept_reset_streams(RESET_STREAMS);
    options
}

/// Attempts of one request at its target: connections to several addresses, and one repetition with a fresh token.
const MAX_ATTEMPTS: usize = 16;
/// Unused connections to targets that each worker keeps, all targets together.
const IDLE_CONNECTIONS: usize = 4096;
/// What RFC 9113 section 6.5.2 adds to the length of a header section with as many fields as can be allowed, in bytes.
const FIELD_OVERHEAD: u32 = 32 * 256;
/// How much of a body an HTTP/2 caller may send ahead of its target, in bytes.
const STREAM_WINDOW: u32 = 64 * 1024;
/// All bodies of one connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How much of an answer waits for an HTTP/2 caller to read it, in bytes.
const SEND_BUFFER: usize = 128 * 1024;
/// Requests that were taken back and are remembered; more of them, not yet looked at, end the connection.
const RESET_STREAMS: usize = 20;
