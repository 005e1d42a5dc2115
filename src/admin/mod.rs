//! The admin listener: health, readiness, metrics, status. It tells nothing of any caller, and is still no matter for the public.

mod door;
mod status;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

pub use self::door::{Door, Move};
use crate::proxy::Gateway;
use crate::reload::Record;
use crate::server::Listeners;
use crate::telemetry::DroppedLines;

/// What the admin listener reports on.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The proxy.
    pub gateway: Gateway,
    /// The count of lost log lines, where there is a log.
    pub dropped_lines: Option<DroppedLines>,
    /// The listeners for callers.
    pub listeners: Arc<Listeners>,
    /// What is known of the configuration.
    pub record: Arc<Record>,
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
            .route("/status", get(status))
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

async fn status(State(admin): State<Admin>) -> Response {
    match serde_json::to_vec_pretty(&status::of(&admin)) {
        Ok(document) => ([(CONTENT_TYPE, "application/json")], document).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

const INDEX: &str = "obo-proxy

/healthz  the process is alive
/readyz   it wants requests
/metrics  Prometheus metrics
/status   configuration, identities, routes and targets, as JSON
";
