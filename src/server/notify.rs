//! What the service manager is told (systemd's `sd_notify`): ready, stopping, and which process is the main one.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// This process serves, and is the one to look after.
pub fn ready() {
    notify(&format!("READY=1\nMAINPID={}", std::process::id()));
}

/// This process is leaving.
pub fn stopping() {
    notify("STOPPING=1");
}

fn notify(message: &str) {
    if let Err(error) = try_to_notify(message) {
        tracing::warn!(%error, "failed to tell the service manager");
    }
}

/// Does nothing where nobody wants to know.
fn try_to_notify(message: &str) -> io::Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}
