//! Asks a target whether it is well, address by address, beside the requests: a plain GET without any credential, on a
//! connection of its own, by the TLS settings of the target.

use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use pingora::{ErrorType, OrErr};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::backend::Backend;
use super::destination::Destination;
use super::settings::HealthCheckSettings;

/// What the checks of one address have found so far.
struct Record {
    destination: Arc<Destination>,
    is_unwell: bool,
    /// How many in a row have said otherwise.
    contrary: u32,
}

/// Checks every address of a backend again and again, as long as there is the backend.
pub(super) async fn keep_checked(backend: Weak<Backend>, check: HealthCheckSettings) {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let Some(there) = backend.upgrade() else { return };
        let host = there.authority().clone();
        follow(&mut records, &there.destinations());
        drop(there);
        let mut asking = JoinSet::new();
        for (number, record) in records.iter().enumerate() {
            let (destination, check, host) = (Arc::clone(&record.destination), check.clone(), host.clone());
            asking.spawn(async move { (number, ask(&destination, &check, host).await) });
        }
        while let Some(Ok((number, outcome))) = asking.join_next().await {
            if let Some(record) = records.get_mut(number) {
                record.take(outcome, &check);
            }
        }
        sleep(jittered(if records.is_empty() { UNRESOLVED.min(check.interval) } else { check.interval })).await;
    }
}

/// Keeps the records of addresses that are still there, and opens one for each new one.
fn follow(records: &mut Vec<Record>, destinations: &[Arc<Destination>]) {
    records.retain(|record| destinations.iter().any(|one| Arc::ptr_eq(one, &record.destination)));
    for destination in destinations {
        if !records.iter().any(|record| Arc::ptr_eq(destination, &record.destination)) {
            records.push(Record { destination: Arc::clone(destination), is_unwell: false, contrary: 0 });
        }
    }
}

impl Record {
    fn take(&mut self, outcome: Result<(), String>, check: &HealthCheckSettings) {
        if outcome.is_err() == self.is_unwell {
            self.contrary = 0;
            return;
        }
        self.contrary += 1;
        let enough = if self.is_unwell { check.healthy_after } else { check.unhealthy_after };
        if self.contrary < enough {
            return;
        }
        self.contrary = 0;
        self.is_unwell = outcome.is_err();
        self.destination.set_unwell(self.is_unwell);
        let (address, target_name) = (self.destination.socket, self.destination.target_name());
        match outcome {
            Ok(()) => tracing::info!(%address, target_name, "health check succeeds again"),
            Err(reason) => tracing::warn!(%address, target_name, reason, "health check fails: address is passed over"),
        }
    }
}

/// Asks one address.
///
/// # Errors
/// What was wrong with the answer, or in the way of one.
async fn ask(destination: &Destination, check: &HealthCheckSettings, host: HeaderValue) -> Result<(), String> {
    match timeout(check.timeout, status(destination, check, host)).await {
        Ok(Ok(status)) if status.is_success() => Ok(()),
        Ok(Ok(status)) => Err(format!("status {}", status.as_u16())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

async fn status(
    destination: &Destination,
    check: &HealthCheckSettings,
    host: HeaderValue,
) -> pingora::Result<StatusCode> {
    let request = request(&destination.peer, &check.path, host)?;
    let mut peer = destination.peer.clone();
    // An HTTP/2 connection without room for a second stream gets into no pool.
    peer.options.max_h2_streams = 1;
    let (mut session, _) = CONNECTOR.get_http_session(&peer).await?;
    session.write_request_header(Box::new(request)).await?;
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let status = session.response_header().map_or(StatusCode::BAD_GATEWAY, |response| response.status);
    session.shutdown().await;
    Ok(status)
}

fn request(peer: &HttpPeer, path: &str, host: HeaderValue) -> pingora::Result<RequestHeader> {
    let mut request = RequestHeader::build(Method::GET, path.as_bytes(), Some(3))?;
    request.insert_header(USER_AGENT, USER)?;
    if peer.options.alpn.get_max_http_version() == 2 {
        let scheme = if peer.is_tls() { "https" } else { "http" };
        let address = Uri::builder().scheme(scheme).authority(host.as_bytes()).path_and_query(path).build();
        request.set_uri(address.or_err(ErrorType::InvalidHTTPHeader, "no address to ask")?);
        request.set_version(Version::HTTP_2);
    } else {
        request.insert_header(HOST, host)?;
        request.insert_header(CONNECTION, "close")?;
    }
    Ok(request)
}

/// Spreads the checks of many proxies over time.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(1.0 - 0.1 * fastrand::f64())
}

/// Makes the connections of all checks. None is kept: that one can be made is a part of what is asked.
static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| Connector::new(Some(ConnectorOptions::new(1))));
/// How soon to look again for addresses while there are none.
const UNRESOLVED: Duration = Duration::from_secs(1);
const USER: &str = "obo-proxy-health-check";
