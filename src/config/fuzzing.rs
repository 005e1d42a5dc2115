//! What must hold for any text as a `routes.yaml`: see `fuzzing`.

use std::path::Path;

use super::parse;

/// Settings, or findings that say where: never both, never neither, and each on one line.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lines = u64::try_from(text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count()).unwrap_or(u64::MAX);
    match parse("r.yaml", text, Path::new("/nowhere"), &|_| None) {
        Ok(settings) => {
            assert!(!settings.listeners.is_empty() && !settings.identities.is_empty(), "there is something to do");
            assert!(!settings.routes.is_empty(), "there is a route");
            // Whatever can be printed is.
            assert!(!format!("{settings:?}").is_empty());
        }
        Err(findings) => {
            let told = findings.to_string();
            assert!(findings.count() > 0, "a refusal has a reason");
            assert_eq!(told.lines().count(), findings.count(), "each finding is one line: {told}");
            for line in told.lines() {
                check_finding(line, lines);
            }
        }
    }
}

fn check_finding(line: &str, lines: u64) {
    let place = line.strip_prefix("r.yaml:").unwrap_or_else(|| unreachable!("names the file: {line}"));
    let mut parts = place.splitn(3, ':');
    let mut number = || parts.next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default();
    let (row, column) = (number(), number());
    assert!((1..=lines + 1).contains(&row) && column >= 1, "a place in the file: {line}");
    assert!(line.contains(": error: ") && line.contains("; accepted: "), "what was found and is accepted: {line}");
}
