//! The scripts themselves: nothing in them goes unused.

use std::fs;
use std::path::Path;

use crate::support::installation::sources;

/// The functions of a script that a test could run: they take nothing.
fn claims(script: &str) -> Vec<String> {
    let name = |line: &str| {
        let python = line.strip_prefix("def ").and_then(|rest| rest.strip_suffix("():"));
        let method = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix("() {"));
        let node = method.map(|rest| rest.trim_start_matches("async ")).filter(|rest| !rest.contains(' '));
        python.or(node).map(str::to_owned)
    };
    script.lines().filter_map(name).collect()
}

fn files(folder: &Path, extension: &str) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // What surrounds a script, and targets of a test's own, claim nothing.
    let supporting = ["world", "target"].map(|name| format!("{name}.{extension}"));
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted
        .filter(|path| !supporting.iter().any(|name| path.to_string_lossy().ends_with(name)))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn every_claim_of_a_script_is_a_test() {
    let tests = files(&sources(""), "rs").concat();
    let scripts = [files(&sources("python"), "py"), files(&sources("node"), "mjs")].concat();
    assert!(scripts.len() >= 9, "{}", scripts.len());
    for script in scripts {
        let claims = claims(&script);
        assert!(!claims.is_empty(), "{script}");
        for claim in claims {
            assert!(tests.contains(&format!("    {claim},\n")), "{claim}");
        }
    }
}

#[test]
fn no_list_of_versions_names_a_registry() {
    for name in ["python/requirements.txt", "node/package.json", "node/package-lock.json", "node/.npmrc"] {
        let text = fs::read_to_string(sources(name)).unwrap();
        assert!(
            !text.contains("\"resolved\"") && !text.contains("--index-url") && !text.contains("registry="),
            "{name}"
        );
    }
}
