//! What is wrong with a file: one line per finding, with its position, what was found and what is accepted.

use std::fmt;
use std::path::Path;

use crate::stamp::Stamps;

/// Everything that was found wrong with one file, in the order of the file.
///
/// Each finding prints as one line, `<file>:<line>:<column>: error: <what was found>; accepted: <what is accepted>`.
/// A credential is never part of it.
#[derive(Debug, Clone)]
pub struct Findings {
    file_name: String,
    list: Vec<Finding>,
    named: Stamps,
}

#[derive(Debug, Clone)]
struct Finding {
    /// None where the file could not be read at all.
    at: Option<Position>,
    text: String,
}

/// A place in the file; both numbers begin at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Findings {
    /// How many findings there are.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Each finding as a line.
    pub fn lines(&self) -> Vec<String> {
        self.list.iter().map(|finding| self.line(finding)).collect()
    }

    /// The file itself and every file that it names, as they were before they were read: once one of them has changed,
    /// there may be other findings or none.
    pub fn files(&self) -> &Stamps {
        &self.named
    }

    pub(super) fn new(file_name: &str) -> Self {
        Self { file_name: file_name.to_owned(), list: Vec::new(), named: Stamps::default() }
    }

    /// Notes a file that the file names, before it is read.
    pub(super) fn name_file(&mut self, file: &Path) {
        self.named.note(file);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn add(
        &mut self,
        at: impl Into<Option<Position>>,
        found: impl fmt::Display,
        accepted: impl fmt::Display,
    ) {
        self.list.push(Finding { at: at.into(), text: format!("{found}; accepted: {accepted}") });
    }

    fn line(&self, finding: &Finding) -> String {
        let file_name = &self.file_name;
        let at = finding.at.map(|Position { line, column }| format!(":{line}:{column}")).unwrap_or_default();
        format!("{file_name}{at}: error: {}", finding.text)
    }

    pub(super) fn sorted(mut self) -> Self {
        self.list.sort_by_key(|finding| finding.at);
        self
    }
}

impl Position {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The position that follows some text.
    pub(super) fn after(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let last_line = text.rsplit('\n').next().unwrap_or_default();
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX).saturating_add(1);
        Self { line: count(text.matches('\n').count()), column: count(last_line.chars().count()) }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for Findings {}

/// `text` in quotes on one line, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// `"a", "b" or "c"`.
pub(super) fn quoted_choice<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<_> = words.into_iter().map(quoted).collect();
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} or {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

/// The known word that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&word, &known.to_lowercase());
    let near = known.into_iter().filter(|known| distance(known) <= known.chars().count().div_ceil(3).min(3));
    near.min_by_key(|known| distance(known))
}

/// `; did you mean "x"?`, or nothing.
pub(super) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|known| format!("; did you mean {}?", quoted(known))).unwrap_or_default()
}

/// The longest text that is quoted in full, in characters.
const LONGEST_QUOTE: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_stay_on_one_line_and_are_cut() {
        assert_eq!(quoted("a\n\u{1b}\"b"), r#""a\n\u{1b}\"b""#);
        assert_eq!(quoted(&"é".repeat(81)), format!("\"{}\"...", "é".repeat(80)));
    }

    #[test]
    fn suggests_a_near_word_only() {
        assert_eq!(nearest("scope", ["name", "scopes"]), Some("scopes"));
        assert_eq!(nearest("get", ["GET", "PUT"]), Some("GET"));
        assert_eq!(nearest("tls", ["name", "address"]), None);
    }

    #[test]
    fn choices_read_as_a_sentence() {
        assert_eq!(quoted_choice([]), "");
        assert_eq!(quoted_choice(["a"]), r#""a""#);
        assert_eq!(quoted_choice(["a", "b", "c"]), r#""a", "b" or "c""#);
    }
}
