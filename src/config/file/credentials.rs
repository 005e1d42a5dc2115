//! `credential` of an identity: a mapping, or a list of them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::credential::Credential;

/// `credential` of an identity: one, or a list.
#[derive(Debug)]
pub(in crate::config) struct Credentials(pub(in crate::config) Vec<Credential>);

impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CredentialsVisitor)
    }
}

impl JsonSchema for Credentials {
    fn schema_name() -> Cow<'static, str> {
        "Credentials".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Credential>();
        json_schema!({ "oneOf": [one, { "type": "array", "items": one, "minItems": 1, "maxItems": 2 }] })
    }
}

struct CredentialsVisitor;

impl<'de> Visitor<'de> for CredentialsVisitor {
    type Value = Credentials;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a credential or a list of two")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Credentials, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(access)).map(Credentials)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Credentials, A::Error> {
        Credential::deserialize(MapAccessDeserializer::new(access)).map(|credential| Credentials(vec![credential]))
    }
}
