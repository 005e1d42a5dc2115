//! Rate limits of routes and identities.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::config::values::DurationText;

/// How often one caller may do something. Each proxy process counts for itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RateLimit {
    /// So many in each `per`, in the long run.
    #[schemars(range(min = 1, max = 100_000))]
    pub(in crate::config) requests: u32,
    /// The time that `requests` is about: 1s to 24h.
    pub(in crate::config) per: DurationText,
    /// So many at once after a pause. Default: as many as `requests`.
    #[schemars(range(min = 1, max = 100_000))]
    pub(in crate::config) burst: Option<u32>,
    /// Who is counted. `user`: each user of a tenant, or an application that acts on its own, whatever its tokens.
    /// `client`: each client application, over all its users. `address`: each IPv4 address and each IPv6 network of 64
    /// bits; the only one that is checked before the token, and so the one that saves its verification.
    pub(in crate::config) by: CountedBy,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum CountedBy {
    User,
    Client,
    Address,
}

/// `rate_limit` of a route: one, or a list.
#[derive(Debug)]
pub(in crate::config) struct RateLimits(pub(in crate::config) Vec<RateLimit>);

impl<'de> Deserialize<'de> for RateLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RateLimitsVisitor)
    }
}

impl JsonSchema for RateLimits {
    fn schema_name() -> Cow<'static, str> {
        "RateLimits".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<RateLimit>();
        json_schema!({ "oneOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": 4 }] })
    }
}

struct RateLimitsVisitor;

impl<'de> Visitor<'de> for RateLimitsVisitor {
    type Value = RateLimits;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a rate limit or a list of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<RateLimits, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(RateLimits)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<RateLimits, A::Error> {
        RateLimit::deserialize(MapAccessDeserializer::new(access)).map(|limit| RateLimits(vec![limit]))
    }
}
