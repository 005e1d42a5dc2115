//! The examples of the README are accepted as they stand there.

use std::path::Path;

use crate::config::parse;

const IDENTITIES: &str = "identities: {default: {tenant_id: 11111111-2222-3333-4444-555555555555, client_id: c, credential: {client_secret: s}}}\n";
const ROUTES: &str = "routes: [{path: /a, target: http://127.0.0.1:1, grant: none, identity: ";

/// Each YAML block, made whole where it shows identities or routes alone.
fn examples() -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| match (block.contains("identities:\n"), block.contains("routes:\n")) {
            (true, true) => block.to_owned(),
            (true, false) => {
                let name = block.lines().nth(1).unwrap().trim().split(':').next().unwrap();
                format!("{block}{ROUTES}{name}}}]\n")
            }
            _ => format!("{IDENTITIES}{block}"),
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
