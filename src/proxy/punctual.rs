//! Pingora's proxy, with the deadlines that it does not have itself.

use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::H2Options;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use super::alarm::{AlarmClock, Watched};
use super::gateway::Gateway;

/// Pingora's proxy, whose requests end in time.
pub struct Punctual(Arc<HttpProxy<Gateway>>);

impl Punctual {
    /// The proxy `proxy`, with alarms.
    pub fn new(proxy: HttpProxy<Gateway>) -> Self {
        Self(Arc::new(proxy))
    }
}

impl Punctual {
    /// One request of a session, with its alarm: what Pingora calls for itself where requests run side by side.
    pub fn serve<'a>(
        &'a self,
        session: ServerSession,
        shutdown: &'a ShutdownWatch,
        clock: &'a mut AlarmClock,
    ) -> impl Future<Output = Option<ReusedHttpStream>> + Send + 'a {
        Watched::new(self.0.process_new_http(session, shutdown), clock)
    }
}

#[async_trait]
impl HttpServerApp for Punctual {
    async fn process_new_http(
        self: &Arc<Self>,
        session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        self.serve(session, shutdown, &mut AlarmClock::default()).await
    }

    fn h2_options(&self) -> Option<H2Options> {
        self.0.h2_options()
    }

    fn server_options(&self) -> Option<&HttpServerOptions> {
        self.0.server_options()
    }

    async fn http_cleanup(&self) {
        self.0.http_cleanup().await;
    }
}

impl std::fmt::Debug for Punctual {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Punctual").finish_non_exhaustive()
    }
}
