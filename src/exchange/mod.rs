//! From token A to what the target gets: the request to the identity provider, its answer, and what is remembered of it.
//!
//! Pure parts: `grant` (what is asked for), `definition`, `claims` and `form` (how), `answer`, `refusal` and `aadsts` (what came of it),
//! `lifetime`. With I/O: `credential` (who asks), `attempt` (one question with patience), `fetch` (one exchange),
//! `exchanger` (the cache, and one fetch for all who wait). In between `endpoints`, `breaker` and `refusals` hold back
//! what would be asked in vain. `describe` and `probe` show an exchange to people.

mod aadsts;
mod answer;
mod attempt;
mod breaker;
mod claims;
mod credential;
mod definition;
mod describe;
mod endpoints;
mod error;
mod exchanger;
mod fetch;
mod flight;
mod form;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod grant;
mod lifetime;
mod probe;
mod refusal;
mod refusals;
mod report;
mod retry_after;
#[cfg(test)]
mod testing;
mod token;

use std::time::Duration;

pub use credential::{Authenticator, CredentialDescription, CredentialPart, Unusable, check as check_credential};
pub use definition::{Exchange, Principal};
pub use describe::{Circumstances, Description, TokenRequest};
pub use error::{ExchangeError, IdpRefusal};
pub use exchanger::{Exchanger, Source};
pub use grant::{AssertionGrant, Delivery, Grant, OnBehalfOf, Saml, SamlVersion, TokenExchange};
pub use probe::{Probe, Receipt};
pub use token::TokenB;

/// How often files with credentials are looked at.
pub const TENDING_INTERVAL: Duration = Duration::from_secs(5);
