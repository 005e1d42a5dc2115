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
            http2: false,
            ca_file: None,
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
