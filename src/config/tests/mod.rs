//! Tests of the whole way from text to settings: from a valid file, one thing is changed.

mod credential;
mod defaults;
mod files;
mod grant;
mod identity;
mod listener;
mod provider;
mod rate_limit;
mod readme;
mod resource_metadata;
mod route;
mod schema;
mod structure;
mod target;
mod yaml;

use std::path::Path;

use super::{Findings, Settings};

/// A file without findings.
const VALID: &str = "\
identities:
  default:
    tenant_id: 11111111-2222-3333-4444-555555555555
    client_id: 00001111-aaaa-2222-bbbb-3333cccc4444
    credential:
      client_secret: sampleCredentia1s
routes:
  - path: /payroll
    target: https://payroll.internal
    scopes: [api://payroll/Payroll.Read]
";

fn parsed(text: &str) -> Result<Settings, Findings> {
    super::parse("routes.yaml", text, Path::new("/nonexistent"), &|name| match name {
        "SECRET" => Some("s3cr3t-from-variable".to_owned()),
        "TENANT" => Some("99999999-2222-3333-4444-555555555555".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    })
}

fn settings(text: &str) -> Settings {
    parsed(text).map_err(|findings| findings.to_string()).expect("the file has no findings")
}

/// The findings of `text`, one per line, without the part that all share.
fn findings(text: &str) -> Vec<String> {
    let findings = parsed(text).expect_err("the file has findings").to_string();
    findings
        .lines()
        .map(|line| {
            let (at, finding) = line.split_once(": error: ").expect("a finding with a position");
            format!("{} {finding}", at.strip_prefix("routes.yaml:").expect("the name of the file"))
        })
        .collect()
}

/// [`VALID`] with `from` replaced by `to`.
fn with(from: &str, to: &str) -> String {
    assert!(VALID.contains(from), "{from}");
    VALID.replace(from, to)
}

/// [`VALID`] with one more line of the identity, which is line 5.
fn with_identity(line: &str) -> String {
    with("    credential:\n", &format!("    {line}\n    credential:\n"))
}

/// [`VALID`] with one more line of the route, which is line 8.
fn with_route(line: &str) -> String {
    with("  - path: /payroll\n", &format!("  - {line}\n    path: /payroll\n"))
}

/// [`VALID`] with one more top-level line, which is line 1.
fn with_top(line: &str) -> String {
    format!("{line}\n{VALID}")
}

/// [`VALID`] with a second route, which begins on line 11.
fn with_second_route(lines: &[&str]) -> String {
    format!("{VALID}  - {}\n", lines.join("\n    "))
}
