//! Who is calling: the bearer token of a request, verified against the keys of the identity provider.

mod bearer;
mod claims;
mod discovery;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod invalid;
mod json;
mod jws;
mod key_source;
mod keys;
mod requirements;
#[cfg(test)]
mod vectors;
mod verifier;

pub use bearer::{BearerError, MAX_TOKEN, Presented, bearer_token};
pub use claims::{Claims, Kind};
pub use invalid::InvalidToken;
pub use key_source::KeysKnown;
pub use requirements::{Lacking, Requirements};
pub use verifier::{Aspect, Examination, Finding, VerifiedCaller, Verifier, VerifyError};
