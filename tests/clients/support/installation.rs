//! Installs the client libraries, once for each list of versions, from wherever `pip` and `npm` of this machine do.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::directory;

/// The interpreter of a virtual environment that has the libraries of `python/requirements.txt`.
pub fn python() -> PathBuf {
    static PLACE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let place = once(&PLACE, || {
        let version = version_of("python3", "Python 3.", MIN_PYTHON)?;
        installed("python", &format!("{version}\n{REQUIREMENTS}"), |place| {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(place))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
            let list = sources("python/requirements.txt");
            run(Command::new(interpreter(place)).args(pip).args(["--require-hashes", "--requirement"]).arg(list))
        })
    });
    interpreter(&place.unwrap_or_else(|why| panic!("{why}\n{MISSING}")))
}

/// A folder that has the libraries of `node/package-lock.json`, and beside them the scripts: where a module is looked
/// for depends on where the script is.
pub fn node_folder() -> PathBuf {
    static PLACE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&PLACE, || {
        let version = version_of("node", "v", MIN_NODE)?;
        version_of("npm", "", 1)?;
        let place = installed("node", &format!("{version}\n{PACKAGES}\n{LOCK}"), |place| {
            fs::create_dir_all(place).unwrap();
            for name in ["package.json", "package-lock.json", ".npmrc"] {
                fs::copy(sources("node").join(name), place.join(name)).unwrap();
            }
            run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(place))
        })?;
        copy_scripts(&place);
        Ok(place)
    })
    .unwrap_or_else(|why| panic!("{why}\n{MISSING}"))
}

/// A file of the scripts.
pub fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// What the first of all tests found; a failure takes its time too, and is the same for the others.
fn once(
    place: &OnceLock<Result<PathBuf, String>>,
    install: impl FnOnce() -> Result<PathBuf, String>,
) -> Result<PathBuf, String> {
    place.get_or_init(install).clone()
}

/// The folder of this name, in which `install` has put what `contents` describes: now, or in an earlier run.
fn installed(name: &str, contents: &str, install: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    let place = directory().join(name);
    let lock = File::create(directory().join(format!("{name}.lock"))).unwrap();
    // Two runs of the tests must not install into one folder at once; it is unlocked when the file is closed.
    lock.lock().unwrap();
    let marker = place.join("installed.txt");
    if fs::read_to_string(&marker).is_ok_and(|text| text == contents) {
        return Ok(place);
    }
    if place.exists() {
        fs::remove_dir_all(&place).unwrap();
    }
    install(&place)?;
    fs::write(&marker, contents).unwrap();
    Ok(place)
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

fn copy_scripts(place: &Path) {
    for entry in fs::read_dir(sources("node")).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|extension| extension == "mjs") {
            fs::copy(entry.path(), place.join(entry.file_name())).unwrap();
        }
    }
}

/// What `program --version` says, if that begins with `prefix` and a number that is not below `minimum`.
fn version_of(program: &str, prefix: &str, minimum: u32) -> Result<String, String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let number = text.strip_prefix(prefix).and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if number.is_some_and(|number| number >= minimum) { Ok(text) } else { Err(format!("{program} says {text:?}")) }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let told = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).join("\n");
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}\n{told}", output.status)) }
}

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");
const PACKAGES: &str = include_str!("../node/package.json");
const LOCK: &str = include_str!("../node/package-lock.json");

/// The oldest Python that the libraries support, after the `3.`.
const MIN_PYTHON: u32 = 10;

/// The oldest Node.js that the libraries support.
const MIN_NODE: u32 = 18;

/// What to do where something is missing.
const MISSING: &str = "These tests need Python 3.10 or newer with its module venv, Node.js 18 or newer with npm, and \
                       the package registries that pip and npm are set up for. On Debian and Ubuntu `make test` \
                       installs the programs.";
