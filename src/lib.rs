//! obo-proxy.
pub mod secret;
pub mod digest;
pub mod cache;
pub mod telemetry;
pub mod identity;
pub mod idp;
pub mod route;
pub mod caller;
pub mod exchange;
pub mod rejection;
