//! The token of the machine's managed identity, from Azure's Instance Metadata Service: kept until shortly before its
//! end, and fetched by one request at a time.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use url::form_urlencoded::Serializer;

use crate::digest::Digest;
use crate::exchange::error::ExchangeError;
use crate::exchange::flight::Flights;
use crate::identity::ManagedIdentity;
use crate::idp::{Answer, IdpClient};
use crate::secret::Secret;

/// The metadata service, as a source of one kind of token.
pub(super) struct InstanceMetadata {
    address: Box<str>,
    client: IdpClient,
    kept: std::sync::Arc<Mutex<Option<Kept>>>,
    flights: Flights<Digest, Result<Secret, ExchangeError>>,
}

#[derive(Clone)]
struct Kept {
    token: Secret,
    /// When another one is fetched.
    ends: Instant,
}

impl InstanceMetadata {
    pub(super) fn new(settings: &ManagedIdentity, client: IdpClient) -> Self {
        Self { address: address(settings).into(), client, kept: std::sync::Arc::default(), flights: Flights::new() }
    }

    /// A token that is good for some minutes more.
    pub(super) async fn token(&self, deadline: Instant) -> Result<Secret, ExchangeError> {
        let recall = || recall(&self.kept).map(Ok);
        if let Some(token) = recall() {
            return token;
        }
        let (client, address, kept) = (self.client.clone(), self.address.clone(), std::sync::Arc::clone(&self.kept));
        let fetch = || async move {
            let fetched = fetch(&client, &address, deadline).await?;
            *kept.lock() = Some(fetched.clone());
            Ok(fetched.token)
        };
        let (_, token) = self.flights.join(Digest::of(self.address.as_bytes()), recall, fetch).await;
        token.unwrap_or_else(|| Err(unavailable("no outcome")))
    }

    /// The next request fetches another token.
    pub(super) fn forget(&self) {
        *self.kept.lock() = None;
    }
}

impl fmt::Debug for InstanceMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceMetadata").field("address", &self.address).finish_non_exhaustive()
    }
}

fn recall(kept: &Mutex<Option<Kept>>) -> Option<Secret> {
    kept.lock().as_ref().filter(|kept| Instant::now() < kept.ends).map(|kept| kept.token.clone())
}

fn address(settings: &ManagedIdentity) -> String {
    let mut query = Serializer::new(format!("{}?", settings.endpoint));
    query.append_pair("api-version", "2018-02-01").append_pair("resource", &settings.resource);
    if let Some(client_id) = &settings.client_id {
        query.append_pair("client_id", client_id);
    }
    query.finish()
}

/// Asks until there is a token or the time is up: right after a start the service answers 404, 410, 429 and 5xx.
async fn fetch(client: &IdpClient, address: &str, deadline: Instant) -> Result<Kept, ExchangeError> {
    let mut pause = FIRST_PAUSE;
    loop {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
        let fault = match client.get_with(address, headers, deadline).await {
            Ok(answer) if answer.status == StatusCode::OK => return read(&answer),
            Ok(answer) if passes(answer.status) => unavailable(&format!("status {}", answer.status.as_u16())),
            Ok(answer) => return Err(refused(answer.status)),
            Err(fault) => unavailable(&fault.to_string()),
        };
        if Instant::now() + pause >= deadline {
            return Err(fault);
        }
        sleep(pause).await;
        pause *= 2;
    }
}

fn read(answer: &Answer) -> Result<Kept, ExchangeError> {
    let document: Value =
        serde_json::from_slice(&answer.body).map_err(|_| unavailable("an answer that is not JSON"))?;
    let token = document.get("access_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| unavailable("an answer without a token"))?;
    let seconds = match document.get("expires_in") {
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        Some(number) => number.as_u64().unwrap_or(0),
        None => 0,
    };
    let lifetime = Duration::from_secs(seconds).min(LONGEST);
    let ends = Instant::now() + lifetime.saturating_sub(EARLY.min(lifetime / 2));
    Ok(Kept { token: Secret::new(token.to_owned()), ends })
}

fn passes(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::TOO_MANY_REQUESTS)
        || status.is_server_error()
}

fn unavailable(cause: &str) -> ExchangeError {
    ExchangeError::unreachable(format!("managed identity: {cause}"))
}

fn refused(status: StatusCode) -> ExchangeError {
    ExchangeError::internal(&format!(
        "managed identity: status {}; assign the identity to this machine, and compare client_id and endpoint",
        status.as_u16()
    ))
}

/// The service wants pauses that grow.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long before its end a token is not used any more.
const EARLY: Duration = Duration::from_mins(5);
/// The longest time that a token is kept, whatever the service says.
const LONGEST: Duration = Duration::from_hours(24);
