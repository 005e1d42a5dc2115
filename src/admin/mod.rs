//! The admin listener: health, readiness, metrics. It tells nothing of any caller, and is still no matter for the public.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tracing_appender::non_blocking::ErrorCounter;

use crate::proxy::Gateway;

/// What the admin listener reports on.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The proxy.
    pub gateway: Gateway,
    /// The count of lost log lines, where there is a log.
    pub dropped_lines: Option<ErrorCounter>,
}

impl Admin {
    /// Binds the admin address.
    ///
    /// # Errors
    /// Where it cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        TcpListener::bind(address).await
    }

    /// Answers on `listener` until it is dropped.
    ///
    /// # Errors
    /// Where the listener fails for good.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let router = Router::new()
            .route("/", get(async || INDEX))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readiness))
            .route("/metrics", get(metrics))
            .with_state(self);
        axum::serve(listener, router).await
    }
}

async fn readiness(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match (admin.gateway.is_leaving(), admin.gateway.is_ready()) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "waiting for the identity provider's signing keys\n"),
        (false, true) => (StatusCode::OK, "ready\n"),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let metrics = admin.gateway.metrics();
    if let Some(dropped) = &admin.dropped_lines {
        metrics.log_lines_dropped(dropped.dropped_lines());
    }
    admin.gateway.count_entries();
    match metrics.expose() {
        Ok((text, content_type)) => ([(CONTENT_TYPE, content_type)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

const INDEX: &str =
    "obo-proxy\n\n/healthz  the process is alive\n/readyz   it wants requests\n/metrics  Prometheus metrics\n";
