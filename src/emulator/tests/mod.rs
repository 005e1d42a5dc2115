//! The emulator over real sockets, one capability per file.

mod authorize;
mod certificate;
mod client_credentials;
mod client_discovery;
mod client_support;
mod continuous_access;
mod control;
mod credentials;
mod exchange;
mod fault_answers;
mod fault_limits;
mod faults;
mod federation;
mod hostile;
mod managed_identity;
mod metadata;
mod policy;
mod realm;
mod refresh;
mod saml_bearer;
mod sign_in;
mod support;
mod target;
mod tls;
