//! One exchange for people to look at: done as for a request, and not remembered.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Granted;
use super::definition::{Exchange, Principal};
use super::error::ExchangeError;
use super::exchanger::Exchanger;

/// What came of an exchange.
#[derive(Debug)]
pub struct Probe {
    /// The `client-request-id` by which the identity provider knows it.
    pub request_id: String,
    /// How long it took.
    pub took: Duration,
    /// What was granted, or why nothing was.
    pub outcome: Result<Receipt, ExchangeError>,
}

/// What was granted; never the token.
#[derive(Debug)]
pub struct Receipt {
    /// `token_type`.
    pub token_type: Box<str>,
    /// `scope`, where the answer has it.
    pub scope: Option<Box<str>>,
    /// How long the token lives.
    pub expires_in: Duration,
    /// After how long it should be renewed, if that was said.
    pub refresh_in: Option<Duration>,
    /// Whether a refresh token came with it.
    pub has_refresh_token: bool,
}

impl Exchanger {
    /// Acquires a token for `principal` and throws it away.
    pub async fn probe(&self, exchange: &Arc<Exchange>, principal: Principal<'_>) -> Probe {
        let (started, request_id) = (Instant::now(), uuid::Uuid::new_v4().to_string());
        let outcome = self.fetcher.ask(exchange, &principal.to_owned(), None, &request_id).await;
        let outcome = outcome.and_then(|granted| receipt(exchange, granted));
        Probe { request_id, took: started.elapsed(), outcome }
    }
}

fn receipt(exchange: &Exchange, granted: Granted) -> Result<Receipt, ExchangeError> {
    exchange.fitting_header(&granted.token)?;
    Ok(Receipt {
        token_type: granted.token_type,
        scope: granted.scope,
        expires_in: granted.lifetime,
        refresh_in: granted.refresh_in,
        has_refresh_token: granted.refresh_token.is_some(),
    })
}
