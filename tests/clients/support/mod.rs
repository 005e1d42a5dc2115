//! What surrounds a script: an emulator, a sample target and a proxy, all of them processes that speak TLS.

pub mod certificates;
pub mod challenges;
pub mod installation;
#[path = "../../process/support/program.rs"]
#[expect(dead_code, reason = "the tests of the program itself want more of it")]
pub mod program;
pub mod script;
pub mod world;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// An answer as a client sees it.
pub struct Reply {
    pub status: u16,
    pub text: String,
}

/// The directory of everything that these tests write.
pub fn directory() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clients");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// A path that no other test of this run has.
pub fn unused_path(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    directory().join(format!("{name}-{}-{count}", std::process::id()))
}

/// A new file with this text.
pub fn file(text: &str) -> PathBuf {
    let path = unused_path("file");
    std::fs::write(&path, text).unwrap();
    path
}

/// A client that trusts the authorities in this text, and no others.
pub fn client(trusted: &str) -> reqwest::Client {
    // An error means that another test was first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let trusted = reqwest::Certificate::from_pem_bundle(trusted.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only(trusted).build().unwrap()
}

/// `GET` of a page without TLS, with a bearer token unless it is empty.
pub async fn get(url: &str, token: &str) -> Result<Reply, reqwest::Error> {
    let mut request = client("").get(url);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let response = request.send().await?;
    Ok(Reply { status: response.status().as_u16(), text: response.text().await? })
}

/// Waits for something that is about to happen, for at most twenty seconds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..2_000 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never came true: {what}");
}
