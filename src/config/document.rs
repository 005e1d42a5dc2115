//! YAML text as a tree that knows the position of every key and value. The only user of `serde_yaml`.
//!
//! Refused here, with one finding: syntax errors, keys that repeat, more than one document, aliases and merge keys
//! (so that every value stands where it is written), and nesting that no `routes.yaml` needs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_path_to_error::{Path, Segment};
use serde_yaml::budget::BudgetBreach;
use serde_yaml::options::{MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Error, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::findings::{Findings, Position};

/// The longest file that is read, in bytes.
pub(super) const SIZE_LIMIT: usize = 1024 * 1024;

/// A value and where it stands. There is no `Debug`: the value may be a credential.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) kind: Kind,
}

/// The kinds of value.
#[derive(Clone)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
    /// A text that has its finding already and is not looked at again.
    Refused,
}

/// A key of a mapping and where it stands.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) at: Position,
    pub(super) text: String,
}

/// Reads one YAML document.
pub(super) fn parse(text: &str, findings: &mut Findings) -> Option<Node> {
    if text.len() > SIZE_LIMIT {
        findings.add(Position::START, "found a file of more than 1 MiB", "at most 1 MiB");
        return None;
    }
    match serde_yaml::from_str_with_options::<Node>(text, options()) {
        Ok(node) if matches!(node.kind, Kind::Null) => {
            findings.add(
                Position::START,
                "found an empty file",
                "a mapping with the keys \"identities\" and \"routes\"",
            );
            None
        }
        Ok(node) => Some(node),
        Err(error) => {
            report(error.without_snippet(), text, findings);
            None
        }
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line().max(1), column: location.column().max(1) }
    }
}

impl Node {
    /// The value under `name`, or this very node where there is none: what is reported of an absent value is reported
    /// where it would be.
    pub(super) fn key(&self, name: &str) -> &Self {
        self.entries().iter().find(|(key, _)| key.text == name).map_or(self, |(_, node)| node)
    }

    /// Whether it is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List(_))
    }

    /// The item at `index`, or this very node where there is none.
    pub(super) fn item(&self, index: usize) -> &Self {
        self.items().get(index).unwrap_or(self)
    }

    /// Where the key `name` stands.
    pub(super) fn key_position(&self, name: &str) -> Position {
        self.entries().iter().find(|(key, _)| key.text == name).map_or(self.at, |(key, _)| key.at)
    }

    /// The keys of a mapping; of anything else none.
    pub(super) fn key_names(&self) -> Vec<&str> {
        self.entries().iter().map(|(key, _)| key.text.as_str()).collect()
    }

    /// The node at the end of a path, as far as it exists.
    pub(super) fn follow(&self, path: &Path) -> &Self {
        path.iter().fold(self, |node, segment| match segment {
            Segment::Seq { index } => node.item(*index),
            Segment::Map { key } | Segment::Enum { variant: key } => node.key(key),
            Segment::Unknown => node,
        })
    }

    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null | Kind::Refused => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(entries) => entries.iter().map(|(key, node)| (key.text.clone(), node.to_json())).collect(),
        }
    }

    fn entries(&self) -> &[(Key, Self)] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    fn items(&self) -> &[Self] {
        if let Kind::List(items) = &self.kind { items } else { &[] }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { at: kind.referenced.into(), kind: kind.value })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { at: text.referenced.into(), text: text.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Kind, E> {
        Ok(whole(value).or_else(|| Number::from_f64(value)).map_or(Kind::Null, Kind::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
}

/// `1e3` and `1.0` are whole numbers, as in JSON Schema.
fn whole(value: f64) -> Option<Number> {
    (value.fract() == 0.0).then(|| format!("{value:.0}").parse::<i64>().ok().map(Number::from))?
}

/// YAML 1.2 spellings of numbers and booleans, and no more: `on`, `0123`, `1_000` and `12:30` are text.
fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! { max_depth: DEPTH_LIMIT, flow_nesting_limit: DEPTH_LIMIT, max_aliases: 0 },
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The text of the file is not repeated: where it cannot be read, nothing tells what is a credential.
fn report(error: &Error, text: &str, findings: &mut Findings) {
    let at = error.location().map_or(Position::START, Position::from);
    let (found, accepted) = match error {
        Error::DuplicateMappingKey { .. } => ("found a key that the mapping has already", "each key once"),
        Error::MultipleDocuments { .. } => ("found a second YAML document", "one document"),
        Error::UnknownAnchor { .. } | Error::Budget { breach: BudgetBreach::Aliases { .. }, .. } => {
            ("found an alias", "the value itself; text that begins with \"*\" needs quotes")
        }
        Error::MergeKeyNotAllowed { .. } => ("found a merge key", "the keys themselves"),
        Error::UnsupportedTag { .. } => ("found a tag", "no tag; text that begins with \"!\" needs quotes"),
        Error::InvalidScalar { .. } | Error::InvalidBinaryBase64 { .. } | Error::BinaryNotUtf8 { .. } => {
            ("found a value that its tag does not fit", "a value without a tag")
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => ("found too many levels", "at most 16"),
        Error::NullIntoString { .. } | Error::Unexpected { .. } => ("found a key that is not text", "text"),
        other => return findings.add(at, syntax_error(other), format!("a YAML document{}", hint(at, text))),
    };
    findings.add(at, found, accepted);
}

fn syntax_error(error: &Error) -> String {
    let message = UserMessageFormatter.format_message(error);
    format!("not readable as YAML: {}", message.replace(char::is_control, " "))
}

/// The commonest slip: a variable between brackets, whose braces YAML takes for its own.
fn hint(at: Position, text: &str) -> &'static str {
    let line = usize::try_from(at.line).ok().and_then(|line| text.lines().nth(line.saturating_sub(1)));
    if line.is_some_and(|line| line.contains("${")) { "; within [] and {}, text with ${NAME} needs quotes" } else { "" }
}

/// `routes.yaml` needs six. The bound also keeps the recursion of the parser off the end of the stack.
const DEPTH_LIMIT: usize = 16;
