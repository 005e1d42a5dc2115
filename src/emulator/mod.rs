//! An identity provider shaped like Microsoft Entra ID, and a sample target API.
//!
//! `obo-proxy demo` and `obo-proxy emulator` run them, and the tests assert against what they counted. Both listen on
//! a socket bound beforehand, both can be driven in process and the [`Emulator`] also over HTTP (`GET /` lists how).
//!
//! | who asks | what the provider speaks |
//! |---|---|
//! | a user's client | password, authorization code with PKCE, refresh token, and what client libraries ask before |
//! | the gateway's registration | on-behalf-of (JWT or SAML), client credentials, refresh token |
//! | … authenticated by | secrets, certificates, federated credentials of workloads and the managed identity |
//! | a machine | the instance metadata endpoint's tokens |
//! | somebody without Entra | realms: metadata, keys, and token exchange (RFC 8693) |
//! | an operator | keys, policy, revocations, credentials, and [`Fault`]s that concern whom they say |
//!
//! Nothing here is meant to guard anything: whoever reaches the emulator may mint a token for any user.
//!
//! ```no_run
//! use obo_proxy::emulator::{Emulator, EmulatorOptions, TokenRequest};
//!
//! # async fn run() -> std::io::Result<()> {
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let emulator = Emulator::start(listener, EmulatorOptions::default()).await?;
//! let token_a = emulator.mint(&TokenRequest::default());
//! # drop(token_a);
//! # Ok(())
//! # }
//! ```

mod aadsts;
mod answer;
mod assertion;
mod authority;
mod authorize;
mod challenge;
mod client;
mod client_discovery;
mod clock;
mod control;
mod discovery;
mod doorway;
mod error_table;
mod fault;
mod form;
mod grant;
mod guarded;
mod idp;
mod jwt;
mod keys;
mod lazy_keys;
mod ledger;
mod managed_identity;
mod markup;
mod mint;
mod observations;
mod options;
mod policy;
mod realm;
mod recent;
mod refusal;
mod revocation;
mod saml;
mod scope;
mod serve;
mod signer;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod user;
mod workload;

pub use aadsts::AadstsError;
pub use challenge::{ClaimsChallenge, InvalidChallenge};
pub use client::FederatedCredential;
pub use fault::{CannedAnswer, Effect, Endpoint, Fault, Faults};
pub use idp::Emulator;
pub use managed_identity::{DEFAULT_MANAGED_IDENTITY_OID, ManagedIdentity};
pub use mint::{DEFAULT_APPLICATION_OID, DEFAULT_CALLER_CLIENT_ID, DEFAULT_USER_OID, TokenRequest, TokenVersion};
pub use observations::{Counters, RecordedRequest};
pub use options::{DEFAULT_WORKLOAD, EmulatorOptions};
pub use policy::{Policy, StepUpShape};
pub use realm::RealmTokenRequest;
pub use signer::Signer;
pub use target::{SampleTarget, SampleTargetOptions, TargetClient, TargetRequest, TargetTokenCounters};
pub use user::user_oid;
