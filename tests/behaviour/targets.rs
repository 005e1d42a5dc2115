//! Targets: several endpoints, failing ones, repetitions that never repeat what may have been done, deadlines, and the
//! bound of requests at once.

mod deadlines;
mod endpoints;
mod health;
mod load;
mod repetition;
mod tls;

use crate::support::wire::{Wire, WireTarget};
use tokio::net::TcpStream;

/// An answer without a body.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// One route to a target with these settings, which are written as in a mapping of YAML.
fn route(settings: &str) -> String {
    format!("\n  - {{name: wire, path: /t, target: {{{settings}}}, scopes: [api://orders-backend/Orders.Read]}}\n")
}

/// One more such route, to a target that is well.
fn other_route(target: &WireTarget) -> String {
    format!("  - {{name: other, path: /other, target: '{}', scopes: [api://orders-backend/Orders.Read]}}\n", target.url)
}

/// A target that answers everything.
async fn well() -> WireTarget {
    WireTarget::answering(&[OK]).await
}

/// A target that takes each request whole and breaks the connection off in place of an answer.
async fn breaking() -> WireTarget {
    WireTarget::start(|mut wire, _| async move {
        wire.read_request().await;
    })
    .await
}

/// A target that takes requests and never answers.
async fn hanging() -> WireTarget {
    WireTarget::start(|mut wire: Wire<TcpStream>, _| async move { while wire.read_request().await.is_some() {} }).await
}

/// The URL of a port that nobody listens on.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
