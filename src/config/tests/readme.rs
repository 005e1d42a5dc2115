//! The README: its examples are accepted as they stand there, and no key is without one.

use std::path::Path;

use serde_json::Value;

use crate::config::{parse, schema};

const README: &str = include_str!("../../../README.md");

const IDENTITIES: &str = "identities: {default: {tenant_id: 11111111-2222-3333-4444-555555555555, client_id: c, credential: {client_secret: s}}}\n";
const ROUTES: &str = "routes: [{path: /a, target: http://127.0.0.1:1, grant: none, identity: ";

fn blocks() -> impl Iterator<Item = &'static str> {
    README.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

/// Each YAML block, made whole where it shows identities or routes alone.
fn examples() -> Vec<String> {
    blocks()
        .map(|block| match (block.contains("identities:\n"), block.contains("routes:\n")) {
            (true, true) => block.to_owned(),
            (true, false) => {
                let name = block.lines().nth(1).unwrap().trim().split(':').next().unwrap();
                format!("{block}{ROUTES}{name}}}]\n")
            }
            (false, true) => format!("{IDENTITIES}{block}"),
            (false, false) => format!("{IDENTITIES}{ROUTES}default}}]\n{block}"),
        })
        .collect()
}

#[test]
fn the_examples_of_the_readme_are_accepted() {
    let examples = examples();
    assert!(examples.len() >= 4);
    for example in examples {
        let parsed = parse("example", &example, Path::new("/nonexistent"), &|name| match name {
            "AZURE_TENANT_ID" => Some("11111111-2222-3333-4444-555555555555".to_owned()),
            "AZURE_AUTHORITY_HOST" => Some("https://login.microsoftonline.com/".to_owned()),
            _ => Some("value".to_owned()),
        });
        // The files that the examples name are not here.
        let findings = parsed.err().map(|findings| findings.to_string()).unwrap_or_default();
        let others: Vec<_> =
            findings.lines().filter(|line| !line.contains("a file that cannot be read: No such file")).collect();
        assert!(others.is_empty(), "{example}\n{others:#?}");
    }
}

/// The names of all keys of the file.
fn keys(schema: &Value, found: &mut Vec<String>) {
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        if keyword == "properties" {
            found.extend(value.as_object().unwrap().keys().cloned());
            value.as_object().unwrap().values().for_each(|schema| keys(schema, found));
        } else if value.is_object() {
            keys(value, found);
        }
    }
}

#[test]
fn every_key_is_explained_and_shown() {
    let mut names = Vec::new();
    keys(&schema(), &mut names);
    assert!(names.len() > 60, "{names:?}");
    let shown: String = blocks().collect();
    let explained: String = README.split("```").step_by(2).collect();
    let is_shown = |name: &str| {
        let at = |(at, _): (usize, &str)| {
            shown[..at].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric() && before != '_')
        };
        shown.match_indices(&format!("{name}:")).any(at)
    };
    let hidden: Vec<_> = names.iter().filter(|name| !is_shown(name) || !explained.contains(&**name)).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}
