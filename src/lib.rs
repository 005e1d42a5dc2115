//! obo-proxy.
pub mod cache;
pub mod digest;
pub mod route;
pub mod secret;
