//! The JSON Schema of `routes.yaml`, made from the types that mirror the file, and the reading of it.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use super::file::File;

/// The JSON Schema (draft 2020-12) of `routes.yaml`, for editors and other tools.
///
/// Every description says what a key means, its default, and what it does for security. The patterns admit
/// `${NAME}`, because a schema is held against the file as it is written.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(adapt));
    settings.into_generator().into_root_schema_for::<File>().to_value()
}

/// A schema and the document that its references point into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule<'a> {
    schema: &'a Value,
    root: &'a Value,
    /// Whether values that this rule is held against may be credentials.
    pub(super) secret: bool,
}

impl<'a> Rule<'a> {
    pub(super) fn root(schema: &'a Value) -> Self {
        Self { schema, root: schema, secret: false }
    }

    /// The value of a keyword, of this schema or of the one it refers to.
    pub(super) fn keyword(self, keyword: &str) -> Option<&'a Value> {
        self.schema.get(keyword).or_else(|| self.referred()?.get(keyword))
    }

    /// The texts that a keyword lists.
    pub(super) fn texts(self, keyword: &str) -> Vec<&'a str> {
        let list = self.keyword(keyword).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The keys that a mapping may have, with what is expected under each.
    pub(super) fn properties(self) -> Vec<(&'a str, Self)> {
        let properties = self.keyword("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(key, schema)| (key.as_str(), self.inner(schema))).collect()
    }

    /// What is expected under one key of a mapping: its own rule, or that for all keys.
    pub(super) fn property(self, key: &str) -> Option<Self> {
        let own = self.keyword("properties").and_then(|properties| properties.get(key));
        let any = || self.keyword("additionalProperties").filter(|schema| schema.is_object());
        own.or_else(any).map(|schema| self.inner(schema))
    }

    /// What each item of a list is expected to be.
    pub(super) fn items(self) -> Option<Self> {
        self.keyword("items").map(|schema| self.inner(schema))
    }

    /// The alternatives of which one applies, told apart by their types; often this rule alone.
    pub(super) fn alternatives(self) -> Vec<Self> {
        match self.keyword("oneOf").and_then(Value::as_array) {
            Some(schemas) => schemas.iter().map(|schema| self.inner(schema)).collect(),
            None => vec![self],
        }
    }

    fn inner(self, schema: &'a Value) -> Self {
        let mut rule = Self { schema, ..self };
        rule.secret |= rule.keyword("writeOnly").is_some_and(|value| *value == Value::Bool(true));
        rule
    }

    fn referred(self) -> Option<&'a Value> {
        let reference = self.schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        // Every value of the file is held against what a few references lead to: most without reading them as pointers.
        match reference.strip_prefix("/$defs/") {
            Some(name) if !name.contains(['/', '~']) => self.root.get("$defs")?.get(name),
            _ => self.root.pointer(reference),
        }
    }
}

/// A key that may be absent may still not be null; and the width of a Rust number means nothing to a reader.
fn adapt(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        let single = if types.len() == 1 { types.pop() } else { None };
        single.map(|name| schema.insert("type".to_owned(), name));
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(mut branches)) = schema.remove("anyOf") {
        branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
        let only = branches.pop().and_then(|branch| branch.as_object().cloned());
        only.into_iter().flatten().for_each(|(keyword, value)| {
            schema.insert(keyword, value);
        });
    }
    // A default of null only repeats that the key may be absent.
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
}
