//! From token A to token B: the request to the identity provider, its answer, and the cache of what came of it.

mod answer;
mod error;
mod exchanger;
mod flight;
mod grant;
mod hint;
mod report;
mod token;

pub use error::{ExchangeError, IdpRefusal};
pub use exchanger::{Exchange, Exchanger, Source};
pub use grant::Grant;
pub use token::TokenB;
