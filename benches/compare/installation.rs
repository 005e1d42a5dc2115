//! Where the contestants' programs are: those of Debian in the usual places, Python packages in a virtual environment below
//! the target directory, into which they are installed once for each list of versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The directory of everything that this benchmark writes, but for its results.
pub fn directory() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compare");
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A program of the system.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path.split(':').chain(["/usr/sbin", "/usr/local/sbin"]);
    places.map(|place| Path::new(place).join(name)).find(|file| file.is_file())
}

/// A program of the virtual environment. What is started is the program itself, not a script that starts it.
pub fn of_pypi(name: &str) -> Option<PathBuf> {
    let environment = directory().join("venv");
    let in_package = |library: fs::DirEntry| library.path().join(format!("site-packages/{name}/_bin/{name}"));
    let libraries = fs::read_dir(environment.join("lib")).into_iter().flatten().flatten();
    let places = libraries.map(in_package).chain([environment.join("bin").join(name)]);
    places.into_iter().find(|file| file.is_file())
}

/// Installs what the list of versions names, unless that is there.
pub fn install() -> Result<(), String> {
    let environment = directory().join("venv");
    let marker = environment.join("installed.txt");
    if fs::read_to_string(&marker).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"];
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare/requirements.txt");
    run(Command::new(environment.join("bin/python")).args(pip).arg("--requirement").arg(list))?;
    fs::write(&marker, REQUIREMENTS).unwrap();
    Ok(())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}\n{told}", output.status)) }
}

const REQUIREMENTS: &str = include_str!("requirements.txt");
