//! The text of an explanation: sections of aligned lines in which nothing can steer a terminal.

use std::fmt::Write as _;

use serde_json::Value;

/// A text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// What a line says of what was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Ok,
    Failed,
    NotChecked,
    /// Nothing is checked.
    Note,
}

impl Page {
    pub(super) fn section(&mut self, title: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.push(format_args!("{gap}{title}\n"));
    }

    /// A name and what it stands for.
    pub(super) fn line(&mut self, name: &str, text: &str) {
        self.push(format_args!("  {name:<15} {text}\n"));
    }

    /// The same name once more.
    pub(super) fn more(&mut self, text: &str) {
        self.line("", text);
    }

    pub(super) fn check(&mut self, mark: Mark, name: &str, text: &str) {
        let mark = match mark {
            Mark::Ok => "ok",
            Mark::Failed => "FAILED",
            Mark::NotChecked => "not checked",
            Mark::Note => "-",
        };
        self.push(format_args!("  {mark:<12} {name:<10} {text}\n"));
    }

    /// What others wrote, indented.
    pub(super) fn verbatim(&mut self, text: &str) {
        self.push(format_args!("    {}\n", plain(text)));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn push(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail. Blanks at the end of a line help nobody.
        let mut text = String::new();
        let _ = text.write_fmt(line);
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }
}

/// What nobody has vouched for: in quotes, on one line, without anything that is not visible, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Several of them.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let mut shown: Vec<_> = items.iter().take(LONGEST_LIST).map(|item| quoted(item.as_ref())).collect();
    if let Some(more) = items.len().checked_sub(LONGEST_LIST).filter(|more| *more > 0) {
        shown.push(format!("and {more} more"));
    }
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

/// A claim of a token.
pub(super) fn claim(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| item.as_str().unwrap_or("(not a text)")).collect();
            list(&items)
        }
        Value::Object(_) => "(an object)".to_owned(),
        simple => simple.to_string(),
    }
}

/// The text with what is not visible written as escapes.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => plain.push(character),
            other => plain.extend(other.escape_debug()),
        }
    }
    plain
}

/// A moment, in seconds since 1970.
pub(super) fn moment(seconds: u64) -> String {
    let moment = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(seconds.min(LAST_SECOND)));
    moment.map(|moment| humantime::format_rfc3339_seconds(moment).to_string()).unwrap_or_default()
}

/// The last second of the year 9999; no claim of a later time is read.
const LAST_SECOND: u64 = 253_402_300_799;

/// As much of a text is quoted, in characters.
const LONGEST_QUOTE: usize = 128;

/// As many of several are shown.
const LONGEST_LIST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_steers_a_terminal() {
        for text in ["\u{1b}[31mred", "a\r\nb", "\u{9b}2J", "\u{202e}abc", "\u{7}", "\u{2028}"] {
            for shown in [quoted(text), plain(text)] {
                assert!(shown.chars().all(|shown| !shown.is_control() && shown.is_ascii()), "{shown:?}");
            }
        }
        assert_eq!(plain(r#"{"a":"b\\c"}"#), r#"{"a":"b\\c"}"#);
    }

    #[test]
    fn long_texts_and_long_lists_are_cut() {
        assert_eq!(quoted(&"x".repeat(1_000)).len(), 128 + 5);
        let items: Vec<_> = (0..20).map(|n| n.to_string()).collect();
        assert!(list(&items).ends_with("\"7\", and 12 more"));
        assert_eq!(list::<&str>(&[]), "none");
    }

    #[test]
    fn lines_are_aligned_and_end_with_their_text() {
        let mut page = Page::default();
        page.section("1. One");
        page.line("a", "b");
        page.more("c");
        page.section("2. Two");
        page.check(Mark::NotChecked, "form", "");
        assert_eq!(page.finish(), "1. One\n  a               b\n                  c\n\n2. Two\n  not checked  form\n");
    }

    #[test]
    fn moments_are_told_in_universal_time() {
        assert_eq!(moment(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(moment(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
