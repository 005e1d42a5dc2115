//! Variables: `${NAME}` and `${NAME:-default}` in text values, after parsing, so that no variable changes the shape.

use super::document::{Kind, Node};
use super::findings::Findings;

/// Replaces the variables in every text value.
pub(super) fn replace(node: &mut Node, env: &dyn Fn(&str) -> Option<String>, findings: &mut Findings) {
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| replace(item, env, findings)),
        Kind::Map(entries) => entries.iter_mut().for_each(|(_, value)| replace(value, env, findings)),
        Kind::Text(text) if text.contains('$') => match expand(text, env) {
            Ok(expanded) => *text = expanded,
            Err(problem) => {
                findings.add(node.at, problem.found(), problem.accepted());
                node.kind = Kind::Refused;
            }
        },
        _ => {}
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    Unset(String),
    Malformed,
}

impl Problem {
    /// The text itself may be a credential, so only the name of a variable is told.
    fn found(&self) -> String {
        match self {
            Self::Unset(name) => format!("the variable {name} is not set"),
            Self::Malformed => "found a \"$\" that begins no variable".to_owned(),
        }
    }

    fn accepted(&self) -> String {
        match self {
            Self::Unset(name) => format!("a variable that is set, or one with a default: ${{{name}:-default}}"),
            Self::Malformed => "${NAME}, ${NAME:-default} with a default without \"$\", and $$ for \"$\"".to_owned(),
        }
    }
}

fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Problem> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let (reference, after) =
            after.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or(Problem::Malformed)?;
        expanded.push_str(&value_of(reference, env)?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// As in a shell, `:-` applies to a variable that is unset or empty.
fn value_of(reference: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Problem> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    if !is_name(name) || default.is_some_and(|default| default.contains('$')) {
        return Err(Problem::Malformed);
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(Problem::Unset(name.to_owned())),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, Problem> {
        expand(text, &|name| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${SET}$".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn replaces_variables_once() {
        for (text, expected) in [
            ("${SET}", "value"),
            ("a-${SET}-${SET}.b", "a-value-value.b"),
            ("${UNSET:-a:-b c}", "a:-b c"),
            ("${SET:-default}", "value"),
            ("${EMPTY}", ""),
            ("${EMPTY:-default}", "default"),
            ("${UNSET:-}", ""),
            ("$${SET}", "${SET}"),
            ("a$$b$$", "a$b$"),
            ("${NESTED}", "${SET}$"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_unset_variables_and_stray_dollars() {
        assert_eq!(expanded("a${UNSET}"), Err(Problem::Unset("UNSET".to_owned())));
        for text in ["$SET", "a$", "${SET", "${}", "${1A}", "${A-B}", "${A:b}", "${A:-${SET}}", "$ {SET}"] {
            assert_eq!(expanded(text), Err(Problem::Malformed), "{text}");
        }
    }
}
