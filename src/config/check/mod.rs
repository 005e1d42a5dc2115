//! The semantic check: what the values of the file mean, alone and together. Everything that is wrong is collected.

mod address;
mod credential;
mod edge;
mod grant;
mod identity;
mod limits;
mod listener;
mod network;
mod pem;
mod provider;
mod rate_limit;
mod requirements;
mod resource_metadata;
mod route;
mod scope;
mod size;
mod table;
mod target;
mod text;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::Node;
use super::file::{self, File};
use super::findings::{Findings, quoted};
use super::values::DurationText;
use super::{Settings, read_at_most};
use crate::digest::Digest;
use crate::stamp::Stamps;
use crate::telemetry::{LogFormat, LogLevel, LogSettings};

/// Checks the values of a file.
///
/// `document` holds the positions of these values. `declared` names all identities of the file, also those that have
/// findings already and are not in `file`.
pub(super) fn settings(
    file: File,
    document: &Node,
    declared: &[&str],
    surroundings: Surroundings<'_>,
    findings: &mut Findings,
) -> Option<Settings> {
    let mut checker = Checker { surroundings, findings, files: Stamps::default() };
    let (listeners, admin) = listener::listeners(&mut checker, &file, document);
    let refusal_ttl = checker.duration(&file.cache.refusal_ttl, document.key("cache").key("refusal_ttl"), &REFUSAL_TTL);
    let edge = edge::edge(&mut checker, &file, document);
    let header_bytes = edge.as_ref().map(|edge| edge.header_bytes);
    let limits = limits::limits(&mut checker, &file.limits, document.key("limits"), header_bytes);
    let drain_timeout = checker.duration(&file.drain_timeout, document.key("drain_timeout"), &DRAIN);
    let identities: Vec<_> = file
        .identities
        .into_iter()
        .filter_map(|(name, identity)| identity::identity(&mut checker, &name, identity, document.key("identities")))
        .collect();
    let names = identity::Names { declared, checked: &identities };
    let routes = table::routes(&mut checker, file.routes, document.key("routes"), &names);
    Some(Settings {
        listeners,
        admin,
        log: log(&file.log),
        drain_timeout: drain_timeout?,
        limits: limits?,
        cache_entries: usize::try_from(file.cache.max_entries).ok()?,
        refusal_ttl: refusal_ttl?,
        edge: edge?,
        identities,
        routes,
        text: Digest::of(&[]),
        files: checker.files,
    })
}

/// What a file means depends on where it is and on the variables of the process.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// Where relative paths begin.
    pub(super) base_dir: &'a Path,
    /// Looks up a variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
}

/// What every check needs: what is around the file, and where findings go.
struct Checker<'a> {
    surroundings: Surroundings<'a>,
    findings: &'a mut Findings,
    /// Files whose content becomes part of the settings.
    files: Stamps,
}

impl Checker<'_> {
    fn report(&mut self, node: &Node, found: impl Display, accepted: impl Display) {
        self.findings.add(node.at, format!("found {found}"), accepted);
    }

    /// Reports a key that is required only because of other values.
    fn missing<T>(&mut self, node: &Node, key: &str, accepted: impl Display) -> Option<T> {
        self.findings.add(node.at, format!("missing key {}", quoted(key)), accepted);
        None
    }

    /// Reports, and stands for the value that there is not.
    fn refuse<T>(&mut self, node: &Node, found: impl Display, accepted: impl Display) -> Option<T> {
        self.report(node, found, accepted);
        None
    }

    fn duration(&mut self, text: &DurationText, node: &Node, range: &Range) -> Option<Duration> {
        let text = text.as_str();
        match is_duration(text).then(|| humantime::parse_duration(text)) {
            Some(Ok(duration)) if (range.least..=range.most).contains(&duration) => Some(duration),
            Some(Ok(_)) => self.refuse(node, quoted(text), format!("a duration from {}", range.text)),
            _ => self.refuse(node, quoted(text), "a duration such as \"500ms\", \"2s\" or \"1m\""),
        }
    }

    /// Where a file is that the configuration names; to be called before it is read.
    fn path(&mut self, path: &str) -> PathBuf {
        let path = self.surroundings.base_dir.join(path);
        self.findings.name_file(&path);
        path
    }

    /// A variable of the process that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        (self.surroundings.variable)(name).filter(|value| !value.is_empty())
    }

    /// The content of a file. The path is told, so it must not be a part of a credential.
    fn read(&mut self, path: &str, node: &Node, accepted: &str) -> Option<Vec<u8>> {
        match self.bytes(path) {
            Ok(bytes) => Some(bytes),
            Err(fault) => self.refuse(node, format!("{}, a file that {fault}", quoted(path)), accepted),
        }
    }

    /// The content of a file, or what is wrong with the file, without its path.
    fn bytes(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.path(path);
        self.files.note(&path);
        match read_at_most(&path, FILE_LIMIT) {
            Ok(bytes) if bytes.len() <= FILE_LIMIT => Ok(bytes),
            Ok(_) => Err("is longer than 1 MiB".to_owned()),
            Err(error) => Err(format!("cannot be read: {error}")),
        }
    }

    /// Reports every item of a list that repeats an earlier one.
    fn no_repeats<T: PartialEq + Display>(&mut self, items: &[T], node: &Node) {
        for (n, item) in items.iter().enumerate() {
            if items.iter().take(n).any(|earlier| earlier == item) {
                self.report_repeat(item, node.item(n));
            }
        }
    }

    fn report_repeat(&mut self, item: &impl Display, node: &Node) {
        self.report(node, format!("{} a second time", quoted(&item.to_string())), "each entry once");
    }
}

/// Stands for a value that was given and has its finding already, where none need be given.
struct Refused;

/// The durations that make sense somewhere.
struct Range {
    least: Duration,
    most: Duration,
    text: &'static str,
}

impl Range {
    const fn new(least: Duration, most: Duration, text: &'static str) -> Self {
        Self { least, most, text }
    }
}

/// Whole numbers with units, as the schema has it; `humantime` alone would take more.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let unit = UNITS.iter().find_map(|unit| after.strip_prefix(unit));
        match unit {
            Some(next) if after.len() < rest.len() => rest = next,
            _ => return false,
        }
    }
    !text.is_empty()
}

fn log(log: &file::Log) -> LogSettings {
    LogSettings {
        format: match log.format {
            file::LogFormat::Json => LogFormat::Json,
            file::LogFormat::Text => LogFormat::Text,
        },
        level: match log.level {
            file::LogLevel::Error => LogLevel::Error,
            file::LogLevel::Warn => LogLevel::Warn,
            file::LogLevel::Info => LogLevel::Info,
            file::LogLevel::Debug => LogLevel::Debug,
        },
    }
}

/// The longer unit first where one begins with another.
const UNITS: [&str; 4] = ["ms", "s", "m", "h"];

const REFUSAL_TTL: Range = Range::new(Duration::ZERO, Duration::from_mins(10), "0s to 10m");
const DRAIN: Range = Range::new(Duration::ZERO, Duration::from_hours(1), "0s to 1h");

/// The longest secret, certificate or key file that is read, in bytes.
const FILE_LIMIT: usize = 1024 * 1024;
