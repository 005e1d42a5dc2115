//! The proxy as Pingora sees it: glue between its phases and our decisions.
//!
//! Everything is decided in `request_filter`; the later phases carry it out, and `logging` records it.

mod access_log;
mod admission;
mod alarm;
mod background;
mod context;
mod correlation;
mod edge;
mod explain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gateway;
mod generation;
mod http2;
mod interim;
mod kept;
mod origin;
mod party;
mod phases;
mod present;
mod punctual;
mod rate_limits;
mod raw_header;
mod request_headers;
mod resource_metadata;
mod respond;
mod response_headers;
mod route;
mod spelling;
mod status;
mod switching;
mod target;
mod tripwire;
mod unauthorized;
mod values;
mod wellformed;
mod whence;

pub use alarm::AlarmClock;
pub use background::Background;
pub use context::RequestContext;
pub use edge::EdgeSettings;
pub use explain::{ExplainedExchange, ExplainedRoute, ExplainedToken, Explanation, Inquiry, NIL_REQUEST_ID};
pub use gateway::Gateway;
pub use generation::{GatewayError, GatewaySettings, Generation};
pub use punctual::Punctual;
pub use resource_metadata::ResourceMetadataSettings;
pub use route::{RouteSettings, ServiceSettings};
pub use status::{CredentialStatus, GatewayStatus, IdentityStatus, RouteStatus, TargetStatus, TenantStatus};
pub use target::{Balance, ClientCertificate, EndpointSettings, HealthCheckSettings, TargetSettings};
