//! Values of `routes.yaml` with a form of their own: durations, secrets, and a target that may be a URL alone.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use crate::secret::Secret;

/// Text such as `2s`; what it says is checked later.
#[derive(Debug, DeriveDeserialize, Serialize)]
#[serde(transparent)]
pub(super) struct DurationText(String);

impl DurationText {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^(([0-9]+(ms|s|m|h))+|.*\$\{.*)$",
            "examples": ["500ms", "2s", "1m"],
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Text such as `10MiB`; what it says is checked later.
#[derive(Debug, DeriveDeserialize, Serialize)]
#[serde(transparent)]
pub(super) struct SizeText(String);

impl SizeText {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl JsonSchema for SizeText {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^([0-9]+(B|KiB|MiB|GiB)|.*\$\{.*)$",
            "examples": ["64KiB", "10MiB"],
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Text that is a credential.
#[derive(Debug)]
pub(super) struct SecretText(pub(super) Secret);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }

    fn inline_schema() -> bool {
        true
    }
}

/// Where requests go, in full: a URL and how to reach it.
#[derive(Debug, DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetMapping {
    /// The address, http or https, with the path that takes the place of the route's. With http, the acquired token
    /// crosses the network in the clear.
    #[schemars(extend("examples" = ["https://payroll.internal"]))]
    pub(super) url: String,
    /// The time to connect, TLS included: 1ms to 24h. Default: 5s.
    #[serde(default = "default_connect_timeout")]
    pub(super) connect_timeout: DurationText,
    /// From the end of the request to the header section of the answer; at most `read_timeout`, and not with `http2`: 1ms
    /// to 24h. Default: only `read_timeout` counts.
    pub(super) first_byte_timeout: Option<DurationText>,
    /// From the moment when the target is first turned to until the end of its answer, repetitions included: 1ms to 24h.
    /// `WebSockets` are exempt, event streams are not. Default: any time.
    pub(super) timeout: Option<DurationText>,
    /// The longest silence of the target before and during its answer: 1ms to 24h. Default: 60s.
    #[serde(default = "default_transfer_timeout")]
    pub(super) read_timeout: DurationText,
    /// The longest time that one write to the target may block: 1ms to 24h. Default: 60s.
    #[serde(default = "default_transfer_timeout")]
    pub(super) write_timeout: DurationText,
    /// Speak HTTP/2 to the target; gRPC needs it. Default: `false`.
    #[serde(default)]
    pub(super) http2: bool,
    /// File in PEM with the authorities that may vouch for the target. Default: those of the system.
    pub(super) ca_file: Option<String>,
    /// The name that the target's certificates must be for, and that it is told (SNI). Default: for each endpoint its own
    /// host.
    #[schemars(extend("examples" = ["payroll.contoso.com"]))]
    pub(super) server_name: Option<String>,
    /// File in PEM with a certificate by which the target knows us, and those that lead to its authority; with
    /// `client_key`. Default: none.
    pub(super) client_certificate: Option<String>,
    /// File in PEM with the private key of `client_certificate`, unencrypted.
    pub(super) client_key: Option<String>,
    /// Where the same target is found as well: URLs with the scheme of `url`, and without a path. `Host` and the path stay
    /// those of `url`. Default: only at `url`.
    #[serde(default)]
    #[schemars(length(max = 64), extend("examples" = [["https://payroll-2.internal:8443"]]))]
    pub(super) endpoints: Vec<String>,
    /// How one of several addresses is chosen. `round_robin`: in turn. `least_requests`: of two at random the one with
    /// fewer requests under way. Default: `round_robin`.
    #[serde(default)]
    pub(super) balance: Balance,
    /// How often a request is sent again whose connection broke off without an answer: only with an idempotent method,
    /// and a body of at most 64 KiB. Default: 1.
    #[serde(default = "default_retries")]
    #[schemars(range(max = 5))]
    pub(super) retries: u32,
    /// The most requests at once, of all routes to this target; beyond it they get 503. `WebSockets` and other streams
    /// count as long as they last. Default: 1024.
    #[serde(default = "default_max_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_requests: u32,
    /// Ask each address whether it is well, beside the requests. Default: not asked.
    pub(super) health_check: Option<HealthCheck>,
}

#[derive(Debug, Clone, Copy, Default, DeriveDeserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Balance {
    #[default]
    RoundRobin,
    LeastRequests,
}

/// How a target is asked whether it is well: a GET without a credential, on a connection of its own. A status of 2xx is
/// a success.
#[derive(Debug, DeriveDeserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthCheck {
    /// The path, which is not below that of `url`.
    #[schemars(extend("examples" = ["/healthz"]))]
    pub(super) path: String,
    /// How often: 100ms to 1h. Default: 10s.
    #[serde(default = "default_interval")]
    pub(super) interval: DurationText,
    /// How long an answer may take, connection included: 1ms to 1m. Default: 2s.
    #[serde(default = "default_check_timeout")]
    pub(super) timeout: DurationText,
    /// How many failures in a row make an address unhealthy. Default: 3.
    #[serde(default = "default_unhealthy_after")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) unhealthy_after: u32,
    /// How many successes in a row make it healthy again. Default: 2.
    #[serde(default = "default_healthy_after")]
    #[schemars(range(min = 1, max = 100))]
    pub(super) healthy_after: u32,
}

/// `target` of a route: a mapping, or the URL alone.
#[derive(Debug)]
pub(super) struct Target(pub(super) TargetMapping);

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let url = json_schema!({ "type": "string", "examples": ["https://payroll.internal"] });
        json_schema!({ "oneOf": [url, generator.subschema_for::<TargetMapping>()] })
    }
}

struct TargetVisitor;

impl<'de> Visitor<'de> for TargetVisitor {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL or a mapping")
    }

    fn visit_str<E>(self, url: &str) -> Result<Target, E> {
        Ok(Target(TargetMapping {
            url: url.to_owned(),
            connect_timeout: default_connect_timeout(),
            read_timeout: default_transfer_timeout(),
            write_timeout: default_transfer_timeout(),
            first_byte_timeout: None,
            timeout: None,
            http2: false,
            ca_file: None,
            server_name: None,
            client_certificate: None,
            client_key: None,
            endpoints: Vec::new(),
            balance: Balance::default(),
            retries: default_retries(),
            max_requests: default_max_requests(),
            health_check: None,
        }))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Target, A::Error> {
        TargetMapping::deserialize(MapAccessDeserializer::new(access)).map(Target)
    }
}

fn default_connect_timeout() -> DurationText {
    DurationText::new("5s")
}

fn default_transfer_timeout() -> DurationText {
    DurationText::new("60s")
}

fn default_retries() -> u32 {
    1
}

fn default_max_requests() -> u32 {
    1024
}

fn default_interval() -> DurationText {
    DurationText::new("10s")
}

fn default_check_timeout() -> DurationText {
    DurationText::new("2s")
}

fn default_unhealthy_after() -> u32 {
    3
}

fn default_healthy_after() -> u32 {
    2
}
