//! The structural check: the names of keys and the types of values, held against the JSON Schema of the file.
//!
//! Patterns are left to the semantic check, which says what is wrong and not only that something is.

use serde_json::{Number, Value};

use super::document::{Key, Kind, Node};
use super::findings::{Findings, nearest, quoted, quoted_choice, suggestion};
use super::schema::Rule;

/// Reports everything in `document` that `schema` does not admit; tells whether there is nothing of the kind, and nothing
/// that has been reported before.
pub(super) fn check(document: &Node, schema: &Value, findings: &mut Findings) -> bool {
    let mut checker = Checker { findings, sound: true };
    checker.value(document, Rule::root(schema));
    checker.sound
}

/// The document without the parts that have findings, so that the rest can be checked further: top-level keys, and
/// single listeners, identities and routes. A misspelt key, reported already, counts as the key that was meant, and one
/// that is meant for nothing is passed over: what else is wrong beside it is told at once.
pub(super) fn sound_parts(document: &Node, schema: &Value) -> Node {
    let rule = Rule::root(schema);
    let document = &respelt(document, rule);
    let Kind::Map(entries) = &document.kind else { return document.clone() };
    let sound = entries.iter().filter_map(|(key, value)| {
        let rule = rule.property(&key.text)?;
        let value = if is_sound(value, rule) { value.clone() } else { sound_items(value, rule)? };
        Some((key.clone(), value))
    });
    Node { at: document.at, kind: Kind::Map(sound.collect()) }
}

fn respelt(node: &Node, rule: Rule<'_>) -> Node {
    let Some(rule) = rule.alternatives().into_iter().find(|rule| admits(*rule, &node.kind)) else {
        return node.clone();
    };
    let kind = match (&node.kind, rule.items()) {
        (Kind::Map(entries), _) => Kind::Map(respelt_entries(entries, rule)),
        (Kind::List(items), Some(rule)) => Kind::List(items.iter().map(|item| respelt(item, rule)).collect()),
        (kind, _) => kind.clone(),
    };
    Node { at: node.at, kind }
}

fn respelt_entries(entries: &[(Key, Node)], rule: Rule<'_>) -> Vec<(Key, Node)> {
    let mut known: Vec<_> = rule.properties().into_iter().map(|(name, _)| name).collect();
    known.retain(|name| !entries.iter().any(|(key, _)| key.text == *name));
    let mut respelt_entries = Vec::new();
    for (key, value) in entries {
        let meant =
            rule.property(&key.text).map_or_else(|| nearest(&key.text, known.iter().copied()), |_| Some(&*key.text));
        let Some((name, rule)) = meant.and_then(|name| Some((name, rule.property(name)?))) else { continue };
        known.retain(|other| *other != name);
        respelt_entries.push((Key { at: key.at, text: name.to_owned() }, respelt(value, rule)));
    }
    respelt_entries
}

struct Checker<'a> {
    findings: &'a mut Findings,
    /// Whether nothing was wrong so far, earlier findings included.
    sound: bool,
}

impl Checker<'_> {
    fn value(&mut self, node: &Node, rule: Rule<'_>) {
        if matches!(node.kind, Kind::Refused) {
            self.sound = false;
            return;
        }
        let Some(rule) = rule.alternatives().into_iter().find(|rule| admits(*rule, &node.kind)) else {
            return self.wrong_type(node, rule);
        };
        match &node.kind {
            Kind::Map(entries) => self.mapping(node, entries, rule),
            Kind::List(items) => self.list(node, items, rule),
            Kind::Text(text) => self.text(node, text, rule),
            Kind::Number(number) => self.number(node, number, rule),
            Kind::Null | Kind::Bool(_) | Kind::Refused => {}
        }
    }

    fn mapping(&mut self, node: &Node, entries: &[(Key, Node)], rule: Rule<'_>) {
        for (key, value) in entries {
            match rule.property(&key.text) {
                Some(rule) => self.value(value, rule),
                None => self.unknown_key(key, rule),
            }
        }
        for name in rule.texts("required") {
            if !entries.iter().any(|(key, _)| key.text == name) {
                let accepted = rule.property(name).map(expectation).unwrap_or_default();
                self.sound = false;
                self.findings.add(node.at, format!("missing key {}", quoted(name)), accepted);
            }
        }
        if entries.is_empty() && rule.keyword("minProperties").is_some() {
            self.report(node, "an empty mapping", "at least one entry");
        }
    }

    fn list(&mut self, node: &Node, items: &[Node], rule: Rule<'_>) {
        if let Some(rule) = rule.items() {
            for item in items {
                self.value(item, rule);
            }
        }
        if items.is_empty() && rule.keyword("minItems").is_some() {
            self.report(node, "an empty list", "at least one entry");
        }
        let most = rule.keyword("maxItems").and_then(Value::as_u64);
        if let Some(most) = most.filter(|most| items.len() as u64 > *most) {
            self.report(node, format!("a list of {}", items.len()), format!("at most {most} entries"));
        }
    }

    fn text(&mut self, node: &Node, text: &str, rule: Rule<'_>) {
        let words = rule.texts("enum");
        if words.is_empty() || words.contains(&text) {
            return;
        }
        let accepted = format!("{}{}", quoted_choice(words.iter().copied()), suggestion(text, words));
        let found = if rule.secret { "text".to_owned() } else { format!("the text {}", quoted(text)) };
        self.report(node, found, accepted);
    }

    fn number(&mut self, node: &Node, number: &Number, rule: Rule<'_>) {
        let bound = |keyword| rule.keyword(keyword).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let value = number.as_f64();
        if value.is_none()
            || least.is_some_and(|least| value < Some(least))
            || most.is_some_and(|most| value > Some(most))
        {
            self.report(node, found(node, rule), expectation(rule));
        }
    }

    /// Where credentials stand, an unknown key may be one, unless it looks like a known key.
    fn unknown_key(&mut self, key: &Key, rule: Rule<'_>) {
        let known = || rule.properties().into_iter().map(|(name, _)| name);
        let told = !rule.secret || nearest(&key.text, known()).is_some();
        let found = if told { format!("unknown key {}", quoted(&key.text)) } else { "an unknown key".to_owned() };
        let accepted = known().collect::<Vec<_>>().join(", ");
        self.sound = false;
        self.findings.add(key.at, found, format!("{accepted}{}", suggestion(&key.text, known())));
    }

    fn wrong_type(&mut self, node: &Node, rule: Rule<'_>) {
        let any_text = type_of(rule) == "string" && rule.keyword("examples").or(rule.keyword("enum")).is_none();
        let scalar = matches!(node.kind, Kind::Number(_) | Kind::Bool(_));
        let advice = if scalar && any_text { "; put it in quotes" } else { "" };
        self.report(node, found(node, rule), format!("{}{advice}", expectation(rule)));
    }

    fn report(&mut self, node: &Node, found: impl std::fmt::Display, accepted: impl std::fmt::Display) {
        self.sound = false;
        self.findings.add(node.at, format!("found {found}"), accepted);
    }
}

fn is_sound(node: &Node, rule: Rule<'_>) -> bool {
    let mut checker = Checker { findings: &mut Findings::new(""), sound: true };
    checker.value(node, rule);
    checker.sound
}

fn sound_items(node: &Node, rule: Rule<'_>) -> Option<Node> {
    let kind = match &node.kind {
        Kind::List(items) => {
            let rule = rule.items()?;
            Kind::List(items.iter().filter(|item| is_sound(item, rule)).cloned().collect())
        }
        Kind::Map(entries) => {
            let rule = rule.keyword("additionalProperties").filter(|any| any.is_object()).map(|_| rule)?;
            let sound = entries
                .iter()
                .filter(|(key, value)| rule.property(&key.text).is_some_and(|rule| is_sound(value, rule)));
            Kind::Map(sound.map(|(key, value)| (key.clone(), value.clone())).collect())
        }
        _ => return None,
    };
    Some(Node { at: node.at, kind })
}

fn admits(rule: Rule<'_>, kind: &Kind) -> bool {
    match type_of(rule) {
        "object" => matches!(kind, Kind::Map(_)),
        "array" => matches!(kind, Kind::List(_)),
        "string" => matches!(kind, Kind::Text(_)),
        "boolean" => matches!(kind, Kind::Bool(_)),
        "integer" => matches!(kind, Kind::Number(number) if is_whole(number)),
        _ => false,
    }
}

fn type_of(rule: Rule<'_>) -> &str {
    rule.keyword("type").and_then(Value::as_str).unwrap_or_default()
}

fn is_whole(number: &Number) -> bool {
    number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

/// A scalar is told only where a scalar is expected: elsewhere nothing is known of what it may be.
fn found(node: &Node, rule: Rule<'_>) -> String {
    let scalar_expected = rule.alternatives().into_iter().any(|rule| !matches!(type_of(rule), "object" | "array"));
    let told = scalar_expected && !rule.secret;
    match &node.kind {
        Kind::Null => "no value".to_owned(),
        Kind::Bool(value) if told => format!("{value}"),
        Kind::Bool(_) => "a boolean value".to_owned(),
        Kind::Number(number) if told => format!("the number {number}"),
        Kind::Number(_) => "a number".to_owned(),
        Kind::Text(text) if told => format!("the text {}", quoted(text)),
        Kind::Text(_) | Kind::Refused => "text".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
    }
}

fn expectation(rule: Rule<'_>) -> String {
    let alternatives: Vec<_> = rule.alternatives().into_iter().map(expectation_of_one).collect();
    alternatives.join(" or ")
}

fn expectation_of_one(rule: Rule<'_>) -> String {
    let (words, examples) = (rule.texts("enum"), rule.texts("examples"));
    match type_of(rule) {
        "object" => "a mapping".to_owned(),
        "array" => "a list".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => match (rule.keyword("minimum"), rule.keyword("maximum")) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            _ => "a whole number".to_owned(),
        },
        _ if !words.is_empty() => quoted_choice(words),
        _ if !examples.is_empty() => format!("text such as {}", quoted_choice(examples)),
        _ => "text".to_owned(),
    }
}
