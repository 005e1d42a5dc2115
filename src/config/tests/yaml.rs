//! The corners of YAML, and text that is none.

use std::path::Path;

use proptest::prelude::*;

use super::super::parse;
use super::{VALID, findings, settings, with, with_identity, with_top};

#[test]
fn an_empty_file_is_refused() {
    for text in ["", "\n", "# nothing\n", "---\n", "~\n", "\u{feff}"] {
        assert_eq!(
            findings(text),
            ["1:1 found an empty file; accepted: a mapping with the keys \"identities\" and \"routes\""]
        );
    }
}

#[test]
fn the_byte_order_mark_and_carriage_returns_change_nothing() {
    settings(&format!("\u{feff}{VALID}"));
    settings(&VALID.replace('\n', "\r\n"));
    settings(&format!("%YAML 1.2\n---\n{VALID}...\n"));
    let unknown = "unknown key \"x\"; accepted: admin, cache, drain_timeout, identities, limits, listen, log, routes, trusted_proxies";
    assert_eq!(findings(&format!("\u{feff}{VALID}x: 1\n")), [format!("11:1 {unknown}")]);
    assert_eq!(findings(&format!("\u{feff}x: 1\n{VALID}")), [format!("1:1 {unknown}")]);
    assert_eq!(findings(&format!("{VALID}x: 1\n").replace('\n', "\r\n")), [format!("11:1 {unknown}")]);
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        findings(&with("[api://payroll/Payroll.Read]", "[\"é\", 1]")),
        ["10:19 found the number 1; accepted: text; put it in quotes"]
    );
}

#[test]
fn whatever_could_be_read_in_two_ways_is_refused() {
    for (text, expected) in [
        (with_top("log: {}\nlog: {}"), "2:1 found a key that the mapping has already; accepted: each key once"),
        (with_identity("'client_id': a"), "5:5 found a key that the mapping has already; accepted: each key once"),
        (with_top("a: 1\n---"), "3:1 found a second YAML document; accepted: one document"),
        (
            with_top("log: &l {}\ncache: *l"),
            "2:8 found an alias; accepted: the value itself; text that begins with \"*\" needs quotes",
        ),
        (with_top("log: {<<: {}}"), "1:7 found a merge key; accepted: the keys themselves"),
        (
            with_top("drain_timeout: !x 5s"),
            "1:19 found a tag; accepted: no tag; text that begins with \"!\" needs quotes",
        ),
        (
            with_top("drain_timeout: !!int x"),
            "1:22 found a value that its tag does not fit; accepted: a value without a tag",
        ),
        (with_top("~: 5"), "1:1 found a key that is not text; accepted: text"),
        (with_top("? [a]\n: 5"), "1:3 found a key that is not text; accepted: text"),
    ] {
        assert_eq!(findings(&text), [expected]);
    }
}

#[test]
fn syntax_errors_have_a_position() {
    for (text, expected) in [
        ("identities:\n\tdefault: a".to_owned(), "2:2"),
        ("a: [1, 2".to_owned(), "1:4"),
        ("a: b: c".to_owned(), "1:5"),
        ("a: \"\\q\"".to_owned(), "1:4"),
        ("a: \u{1}".to_owned(), "1:4"),
        ("a: 'b".to_owned(), "1:4"),
        ("a: @b".to_owned(), "1:4"),
    ] {
        let found = findings(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{expected} not readable as YAML: ")), "{found:?}");
        assert!(found[0].ends_with("; accepted: a YAML document"), "{found:?}");
    }
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    let block = (0..1_000).map(|n| " ".repeat(n)).collect::<Vec<_>>().join("a:\n");
    for text in ["- ".repeat(10_000), block] {
        let found = findings(&text);
        assert!(found[0].ends_with(" found too many levels; accepted: at most 16"), "{found:?}");
    }
    for text in ["[".repeat(10_000), "{a: ".repeat(10_000), "? ".repeat(10_000)] {
        assert_eq!(findings(&text).len(), 1);
    }
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let line = |n: usize| format!("a{}: &a{} [{}]\n", n + 1, n + 1, vec![format!("*a{n}"); 9].join(", "));
    let bomb = format!("a0: &a0 [x, x, x]\n{}", (0..20).map(line).collect::<Vec<_>>().concat());
    assert_eq!(
        findings(&bomb),
        ["2:10 found an alias; accepted: the value itself; text that begins with \"*\" needs quotes"]
    );
}

#[test]
fn a_file_has_at_most_one_mebibyte() {
    let filled = |length: usize| format!("{VALID}# {}", "a".repeat(length - VALID.len() - 2));
    settings(&filled(1024 * 1024));
    assert_eq!(findings(&filled(1024 * 1024 + 1)), ["1:1 found a file of more than 1 MiB; accepted: at most 1 MiB"]);
}

#[test]
fn plain_text_stays_text() {
    let text = with("    scopes: [api://payroll/Payroll.Read]", "    scopes: [0123, on, 1_000, 12:30, .inf, 2s]");
    let settings = settings(&text);
    let users = settings.routes[0].users.as_ref().unwrap();
    let crate::exchange::Grant::OnBehalfOf(asked) = &users.grant else { panic!("a grant") };
    assert_eq!(
        asked.scopes.iter().map(|scope| &**scope).collect::<Vec<_>>(),
        ["0123", "on", "1_000", "12:30", ".inf", "2s"]
    );
}

#[test]
fn variables_are_replaced_after_parsing() {
    let error = parse("f", &with("https://payroll.internal", "${INJECTED}"), Path::new(""), &|_| {
        Some("https://h\n    identity: other".to_owned())
    });
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("f:9:13: error: found \"https://h\\n    identity: other\"; accepted: "), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn stray_dollars_are_refused() {
    for value in ["$HOME", "a$", "${HOME", "${A:-${B}}"] {
        assert_eq!(
            findings(&with("https://payroll.internal", value)),
            ["9:13 found a \"$\" that begins no variable; accepted: ${NAME}, ${NAME:-default} with a default without \
             \"$\", and $$ for \"$\""]
        );
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse("f", &text, Path::new("/nonexistent"), &|_| None);
    }

    #[test]
    fn no_text_of_yaml_characters_makes_it_panic(text in "[-a1:,{}\\[\\]&*!|>'\"%@`#?~<$ \t\r\n]{0,120}") {
        let _ = parse("f", &text, Path::new("/nonexistent"), &|_| None);
    }

    #[test]
    fn no_damage_to_a_file_makes_it_panic(at in 0..VALID.len(), length in 0_usize..40, text in "\\PC{0,8}|[\t\r\n]{0,3}") {
        let end = (at + length).min(VALID.len());
        let damaged = format!("{}{text}{}", &VALID[..at], &VALID[end..]);
        if let Err(findings) = parse("f", &damaged, Path::new("/nonexistent"), &|_| None) {
            prop_assert_eq!(findings.count(), findings.to_string().lines().count());
        }
    }
}
