//! Runs a function of a script: it prints what it checked, and ends with a status other than zero where that is not so.

use std::process::{Command, Stdio};

use super::challenges;
use super::installation::{node_folder, python, sources};
use super::world::World;

/// Runs `claim` of `tests/clients/python/{script}.py` in a world of its own.
pub async fn check_in_python(script: &str, claim: &str) {
    check(in_python(script).await, claim).await;
}

/// Runs `claim` of `tests/clients/node/{script}.mjs` in a world of its own.
pub async fn check_in_node(script: &str, claim: &str) {
    check(in_node(script).await, claim).await;
}

/// Runs `claim` of a script in Python that wants nothing but the challenges of the proxy.
pub async fn read_in_python(script: &str, claim: &str) {
    read(in_python(script).await, claim).await;
}

/// Runs `claim` of a script in JavaScript that wants nothing but the challenges of the proxy.
pub async fn read_in_node(script: &str, claim: &str) {
    read(in_node(script).await, claim).await;
}

async fn in_python(script: &str) -> Command {
    let mut command = Command::new(blocking(python).await);
    command.arg(sources(&format!("python/{script}.py")));
    // No compiled modules among the sources, and nothing of the user's own in a test.
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONNOUSERSITE", "1");
    command.env_remove("PYTHONPATH").env_remove("PYTHONPYCACHEPREFIX");
    command
}

async fn in_node(script: &str) -> Command {
    let folder = blocking(node_folder).await;
    let mut command = Command::new("node");
    command.arg(folder.join(format!("{script}.mjs"))).env_remove("NODE_OPTIONS");
    command
}

async fn check(mut command: Command, claim: &str) {
    let world = World::start().await;
    command.env("OBO_WORLD", world.description.to_string());
    for name in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
        command.env(name, world.directory.join("trusted.pem"));
    }
    run(command, claim, || format!("the proxy:\n{}", world.proxy.stdout())).await;
}

async fn read(mut command: Command, claim: &str) {
    command.env("OBO_CHALLENGES", serde_json::to_string(challenges::collected().await).unwrap());
    run(command, claim, String::new).await;
}

/// Runs a script to its end. Where it fails, the test does, with what the script said and `more`.
async fn run(mut command: Command, claim: &str, more: impl FnOnce() -> String) {
    command.arg(claim).stdin(Stdio::null());
    for name in PROXIES.iter().flat_map(|name| [name.to_uppercase(), (*name).to_owned()]) {
        command.env_remove(name);
    }
    let output = blocking(move || command.output()).await.unwrap();
    let told = [&*output.stdout, &*output.stderr].map(String::from_utf8_lossy).join("\n");
    assert!(output.status.success(), "{claim}: {}\n{told}\n{}", output.status, more());
    assert!(output.stdout.starts_with(b"checked: "), "{claim} checked nothing: {told}");
}

/// What takes longer than a task may; it fails as a test does.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

/// Proxies that the machine may want for other connections; upper and lower case are both in use.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];

/// A test for each claim of a script.
macro_rules! claims {
    ($check:ident, $script:literal: $($claim:ident),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $claim() {
            crate::support::script::$check($script, stringify!($claim)).await;
        }
    )+};
}
pub(crate) use claims;
