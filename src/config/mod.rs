//! `routes.yaml`: read, checked as a whole, and turned into [`Settings`].
//!
//! The stages, each in its own file: YAML text to a tree that knows its positions (`document`), variables
//! (`environment`), names and types by the JSON Schema (`structure`), values into the mirror of the file (`file`), and
//! what the values mean (`check`). Whatever is wrong is reported together, as [`Findings`].

mod check;
mod document;
mod environment;
mod file;
mod findings;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod schema;
mod structure;
#[cfg(test)]
mod tests;
mod values;

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use document::Node;
pub use findings::Findings;
use findings::Position;
pub use schema::schema;

use crate::connection::Limits;
use crate::digest::Digest;
use crate::identity::Identity;
use crate::proxy::{EdgeSettings, RouteSettings};
use crate::server::ListenerSettings;
use crate::stamp::Stamps;
use crate::telemetry::LogSettings;

/// What the proxy was told to do, checked: whatever is in here can be carried out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The addresses that callers connect to; at least one.
    pub listeners: Vec<ListenerSettings>,
    /// The address of the admin listener; none means no such listener.
    pub admin: Option<SocketAddr>,
    /// What is logged, and how.
    pub log: LogSettings,
    /// How long requests may go on after the proxy was told to stop.
    pub drain_timeout: Duration,
    /// What callers may take of us, connection by connection.
    pub limits: Limits,
    /// The bound of each cache, in entries.
    pub cache_entries: usize,
    /// How long a refused exchange is not asked for again.
    pub refusal_ttl: Duration,
    /// What is asked of every request.
    pub edge: EdgeSettings,
    /// Our registrations at the identity provider; at least one.
    pub identities: Vec<Identity>,
    /// The routes, in the order of the file; at least one, and no two for the same requests.
    pub routes: Vec<RouteSettings>,
    /// The SHA-256 of the text.
    pub text: Digest,
    /// The file itself, and files whose content has become part of these settings, as they were before they were read.
    /// Of other files, credentials among them, only the names are settings.
    pub files: Stamps,
}

/// Reads and checks the file at `path`, with the variables of the process environment.
///
/// Relative paths in the file are relative to the directory that it is in.
///
/// # Errors
/// Everything that is wrong with the file, or that it cannot be read.
pub fn load(path: &Path) -> Result<Settings, Findings> {
    let mut findings = Findings::new(&path.display().to_string());
    findings.name_file(path);
    let mut files = findings.files().clone();
    let Some(text) = read(path, &mut findings) else { return Err(findings) };
    let base_dir = path.parent().unwrap_or(Path::new(""));
    let settings = parse_with(findings, &text, base_dir, &|name| std::env::var(name).ok());
    settings.map(|settings| {
        files.extend(settings.files);
        Settings { files, ..settings }
    })
}

/// Checks the text of a file.
///
/// `file_name` is what findings call the file, `base_dir` is where relative paths in it begin, and `env` looks up a
/// variable.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn parse(
    file_name: &str,
    text: &str,
    base_dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Findings> {
    parse_with(Findings::new(file_name), text, base_dir, env)
}

fn parse_with(
    mut findings: Findings,
    text: &str,
    base_dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Findings> {
    let settings = parse_into(&mut findings, text, base_dir, env);
    match settings {
        Some(settings) if findings.is_empty() => Ok(Settings { text: Digest::of(text.as_bytes()), ..settings }),
        _ => Err(findings.sorted()),
    }
}

fn parse_into(
    findings: &mut Findings,
    text: &str,
    base_dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Option<Settings> {
    let mut document = document::parse(text, findings)?;
    environment::replace(&mut document, env, findings);
    let schema = schema();
    let is_sound = structure::check(&document, &schema, findings);
    let declared = document.key("identities").key_names();
    let parts = (!is_sound).then(|| structure::sound_parts(&document, &schema));
    let sound = parts.as_ref().unwrap_or(&document);
    let file = mirror(sound, findings)?;
    let surroundings = check::Surroundings { base_dir, variable: env };
    check::settings(file, sound, &declared, surroundings, findings)
}

/// The values as the types of the file. After the structural check this fails only where that check has found a
/// fault already, or has a gap.
fn mirror(document: &Node, findings: &mut Findings) -> Option<file::File> {
    match serde_path_to_error::deserialize(document.to_json()) {
        Ok(file) => Some(file),
        Err(_) if !findings.is_empty() => None,
        Err(error) => {
            let at = document.follow(error.path()).at;
            findings.add(at, "found a value that does not fit here", "what the schema of the file says");
            None
        }
    }
}

fn read(path: &Path, findings: &mut Findings) -> Option<String> {
    let bytes = read_at_most(path, document::SIZE_LIMIT)
        .map_err(|error| findings.add(None::<Position>, format!("the file cannot be read: {error}"), "a readable file"))
        .ok()?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        findings.add(Position::after(valid), "found bytes that are not UTF-8", "text in UTF-8");
    });
    text.ok()
}

/// The bytes of a file; of one that is too long, one more than `limit`.
fn read_at_most(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
