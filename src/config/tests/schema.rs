//! The schema: that it is one, that the example fits it, and that the structural check says what it says.

use std::path::Path;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::findings::Findings;
use super::super::{document, parse, schema, structure};

const EXAMPLE: &str = include_str!("../../../routes.yaml");

fn validator(schema: &Value) -> Validator {
    jsonschema::draft202012::new(schema).expect("a valid schema")
}

fn to_json(text: &str) -> Value {
    document::parse(text, &mut Findings::new("")).expect("YAML").to_json()
}

/// The schema without what the structural check leaves to the semantic one.
fn structural(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let kept = keywords.iter().filter(|(keyword, value)| match keyword.as_str() {
                "pattern" => !value.is_string(),
                "minLength" => !value.is_u64(),
                _ => true,
            });
            Value::Object(kept.map(|(key, value)| (key.clone(), structural(value))).collect())
        }
        Value::Array(items) => items.iter().map(structural).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_example_loads_without_any_variable() {
    let settings = parse("routes.yaml", EXAMPLE, Path::new(""), &|_| None).unwrap();
    assert_eq!(settings.routes.iter().map(|route| &*route.name).collect::<Vec<_>>(), ["/orders", "payroll", "/graph"]);
    assert_eq!(&*settings.routes[1].target.path, "/payroll");
    assert_eq!(settings.admin.map(|admin| admin.port()), Some(9901));
}

#[test]
fn the_example_fits_the_schema_as_it_is_written() {
    let example = to_json(EXAMPLE);
    let errors: Vec<_> = validator(&schema()).iter_errors(&example).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn the_schema_says_what_it_is() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "routes.yaml of obo-proxy");
    assert!(schema.get("$id").is_none());
}

#[test]
fn every_key_is_described_and_no_mapping_takes_unknown_keys() {
    fn visit(schema: &Value, at: &str) {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            assert!(schema.get("additionalProperties").is_some(), "{at}");
            for (key, schema) in properties {
                assert!(schema.get("description").is_some(), "{at}/{key}");
            }
        }
    }
    let schema = schema();
    visit(&schema, "");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        visit(definition, name);
    }
}

#[test]
fn every_keyword_of_the_schema_is_known_to_the_structural_check() {
    fn visit(schema: &Value) {
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match keyword.as_str() {
                "properties" | "$defs" => value.as_object().unwrap().values().for_each(visit),
                "items" | "additionalProperties" => visit(value),
                "oneOf" => value.as_array().unwrap().iter().for_each(visit),
                "minItems" | "minProperties" => assert_eq!(value, &json!(1)),
                "type" => assert!(value.is_string(), "{value}"),
                "$ref" | "required" | "enum" | "minimum" | "maximum" | "examples" | "writeOnly" | "maxItems"
                | "$schema" | "title" | "description" | "default" | "pattern" | "minLength" => {}
                other => panic!("{other}"),
            }
        }
    }
    visit(&schema());
}

#[test]
fn defaults_in_the_schema_are_those_that_hold() {
    let schema = schema();
    assert_eq!(schema["properties"]["drain_timeout"]["default"], "30s");
    assert_eq!(schema["properties"]["listen"]["default"], json!([{"address": "127.0.0.1:8080"}]));
    assert_eq!(schema["properties"]["cache"]["default"], json!({"max_entries": 100_000, "refusal_ttl": "60s"}));
    assert_eq!(schema["$defs"]["Identity"]["properties"]["algorithms"]["default"], json!(["RS256"]));
    assert_eq!(schema["$defs"]["Route"]["properties"]["grant"]["default"], "on_behalf_of");
}

/// A document that uses every kind of value.
fn rich() -> Value {
    to_json(
        r#"
listen: [{address: "127.0.0.1:8080"}]
admin: {address: "127.0.0.1:9901"}
log: {format: text, level: debug}
cache: {max_entries: 5}
identities:
  one: {tenant_id: t, client_id: c, credential: {client_secret: s}, algorithms: [RS256], allow_http: true}
routes:
  - {path: /a, target: "https://a", scopes: [s], match: exact, require: {roles: [r]}}
  - {path: /b, target: {url: "https://b", http2: false}, grant: none, hosts: [h], methods: [GET]}
"#,
    )
}

/// What a place in a document is changed to, by number.
fn changed(value: &Value, change: usize) -> Value {
    let changes = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1.5),
        json!(1.0),
        json!(20_000_000),
        json!("text"),
        json!(""),
        json!([]),
        json!({}),
        json!(["GET", 1]),
        json!({"url": "u", "address": "a", "unknown": 1}),
    ];
    changes.get(change).cloned().unwrap_or_else(|| match value {
        Value::Object(entries) => Value::Object(entries.iter().skip(1).map(|(k, v)| (k.clone(), v.clone())).collect()),
        Value::Array(items) => items.iter().chain(items).cloned().collect(),
        other => json!([other]),
    })
}

/// The document with the place that a walk of `steps` reaches changed.
fn mutated(value: &Value, steps: &[usize], change: usize) -> Value {
    let (step, rest) = match steps.split_first() {
        Some((step, rest)) if *step > 0 => (*step, rest),
        _ => return changed(value, change),
    };
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let chosen = step % entries.len();
            let entry = |(n, (key, value)): (usize, (&String, &Value))| {
                (key.clone(), if n == chosen { mutated(value, rest, change) } else { value.clone() })
            };
            Value::Object(entries.iter().enumerate().map(entry).collect::<Map<_, _>>())
        }
        Value::Array(items) if !items.is_empty() => {
            let chosen = step % items.len();
            let item = |(n, value)| if n == chosen { mutated(value, rest, change) } else { value.clone() };
            items.iter().enumerate().map(item).collect()
        }
        other => changed(other, change),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// The structural check finds something exactly where a validator of the schema does.
    #[test]
    fn the_structural_check_agrees_with_the_schema(
        mutations in proptest::collection::vec((proptest::collection::vec(0_usize..9, 0..6), 0_usize..13), 1..3),
    ) {
        let document = mutations.iter().fold(rich(), |value, (steps, change)| mutated(&value, steps, *change));
        let schema = schema();
        let mut findings = Findings::new("");
        if let Some(node) = document::parse(&document.to_string(), &mut findings) {
            structure::check(&node, &schema, &mut findings);
        }
        let valid = validator(&structural(&schema)).is_valid(&document);
        prop_assert_eq!(findings.is_empty(), valid, "{}\n{}", document, findings);
    }

    /// Whatever is accepted fits the schema, and whatever does not is refused with a finding.
    #[test]
    fn what_is_accepted_fits_the_schema(
        steps in proptest::collection::vec(0_usize..9, 0..6), change in 0_usize..13,
    ) {
        let document = mutated(&to_json(EXAMPLE), &steps, change);
        match parse("routes.yaml", &document.to_string(), Path::new("/nonexistent"), &|_| None) {
            Ok(_) => prop_assert!(validator(&schema()).is_valid(&document), "{}", document),
            Err(findings) => prop_assert!(findings.count() > 0),
        }
    }
}
