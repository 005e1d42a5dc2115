//! obo-proxy: a reverse proxy that swaps the caller's access token for one acquired on the caller's behalf.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | caller | the client that sends a request, with its **token A** |
//! | target | the API behind us (Pingora calls it upstream, OAuth calls it downstream), which gets **token B** |
//! | identity provider | the token endpoint and its signing keys; Microsoft Entra ID first |
//! | identity | our own registration at the identity provider |
//! | exchange | from token A to token B, for the scopes of a route |
//!
//! # The life of a request
//!
//! 1. Pingora reads its header section and calls [`proxy::Gateway`].
//! 2. The gate reads host and path ([`route`]); what could be read in two ways is refused.
//! 3. Rate limits are looked at: by address now, by user and client as soon as they are known ([`limit`]).
//! 4. The one bearer token is verified ([`caller`]), or remembered by its SHA-256.
//! 5. Token B is remembered, or acquired ([`exchange`]): one fetch per caller and exchange, shared by all who wait.
//! 6. The request leaves with token B, and a last look makes sure that token A is nowhere in it.
//! 7. The answer is relayed as it came. A 401 makes the proxy forget token B.
//! 8. Whatever went wrong on the way has exactly one response ([`rejection`]).
//!
//! All of this is decided by one [`proxy::Generation`], which a request meets at its beginning and goes by to its end. A
//! configuration that changes is another generation, built beside the one that serves ([`instance`]).
//!
//! On a warm request nothing is awaited before it is forwarded: one SHA-256, two map look-ups, one walk of a radix
//! tree, and the clone of a header value.
//!
//! # Modules
//!
//! In the order of their dependencies: each imports only from those above it, and a test makes sure of that.

pub mod secret;

pub mod digest;

pub mod stamp;

pub mod network;

pub mod cache;

pub mod limit;

pub mod telemetry;

pub mod identity;

pub mod idp;

pub mod route;

pub mod caller;

pub mod exchange;

pub mod rejection;

pub mod connection;

pub mod proxy;

pub mod server;

pub mod config;

pub mod reload;

pub mod admin;

pub mod instance;

#[cfg(feature = "emulator")]
pub mod emulator;

pub mod cli;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    /// The modules as this file declares them.
    fn modules() -> Vec<String> {
        let declared = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("pub mod "));
        declared.map(|name| name.trim_end_matches(';').to_owned()).collect()
    }

    fn files_below(path: &Path) -> Vec<PathBuf> {
        if path.is_file() {
            return vec![path.to_owned()];
        }
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.flat_map(|entry| files_below(&entry.path())).collect()
    }

    fn files_of(module: &str) -> Vec<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = files_below(&source.join(module));
        files.extend(files_below(&source.join(format!("{module}.rs"))));
        files
    }

    #[test]
    fn modules_import_only_from_above() {
        let modules = modules();
        let mut upward = Vec::new();
        for (position, module) in modules.iter().enumerate() {
            let files = files_of(module);
            assert!(!files.is_empty(), "no file of {module}");
            for file in files {
                let text = fs::read_to_string(&file).unwrap();
                let imported =
                    modules.iter().skip(position + 1).filter(|below| text.contains(&format!("crate::{below}")));
                upward.extend(imported.map(|below| format!("{} imports {below}", file.display())));
            }
        }
        assert!(upward.is_empty(), "{upward:#?}");
    }

    #[test]
    fn files_stay_small_and_say_what_they_are_for() {
        for file in files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//! "), "{} does not say what it is for", file.display());
            assert!(text.lines().count() <= 400, "{} is longer than 400 lines", file.display());
        }
    }

    #[test]
    fn one_file_reads_yaml() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let uses = |file: &PathBuf| fs::read_to_string(file).unwrap().contains(concat!("serde_", "yaml::"));
        let readers: Vec<_> = files_below(&source).into_iter().filter(uses).collect();
        assert_eq!(readers, [source.join("config/document.rs")]);
    }
}
