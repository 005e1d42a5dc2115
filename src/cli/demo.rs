//! `obo-proxy demo`: emulator, sample target and proxy on loopback, and a walk through the flow.

mod walk;

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use self::walk::Walk;
use super::{Failure, signals};
use crate::emulator::{Emulator, EmulatorOptions, SampleTarget, SampleTargetOptions};
use crate::instance::Instance;
use crate::telemetry::{self, LogFormat, LogLevel, LogSettings};

/// Walks through the flow; stays up afterwards unless it was asked to do it `once`.
pub(super) async fn demo(once: bool, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let _log =
        telemetry::install(LogSettings { format: LogFormat::Text, level: LogLevel::Error }).map_err(Failure::new)?;
    let emulator = Emulator::start(bind(8400)?, EmulatorOptions::default()).await?;
    let options = SampleTargetOptions { emulator: Some(emulator.clone()), ..SampleTargetOptions::default() };
    let target = SampleTarget::start(bind(8500)?, options).await?;
    // Somebody else may take an address before it is bound: another demo that starts now.
    let well_known = assemble(&emulator, &target, free_address(8080)?, free_address(9901)?).await;
    let instance = match well_known {
        Ok(instance) => instance,
        Err(_) => assemble(&emulator, &target, free_address(0)?, free_address(0)?).await?,
    };
    let proxy = instance.addresses().first().map(ToString::to_string).unwrap_or_default();
    let admin = instance.admin_address().map(|address| address.to_string()).unwrap_or_default();
    let gateway = instance.gateway().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(instance.serve(None, async move { drop(stopped.await) }));
    wait_until(|| gateway.is_ready()).await?;
    let mut walk = Walk::new(&emulator, &target, format!("http://{proxy}"), format!("http://{admin}"), out);
    let outcome = walk.take().await;
    if outcome.is_ok() && !once {
        walk.say_good_bye()?;
        signals::stop().await;
    }
    drop(stop);
    let _ = serving.await;
    outcome
}

/// The proxy of the example, between `emulator` and `target`.
async fn assemble(
    emulator: &Emulator,
    target: &SampleTarget,
    proxy: String,
    admin: String,
) -> Result<Instance, Failure> {
    let variables = HashMap::from([
        ("OBO_AUTHORITY", emulator.url().to_owned()),
        ("OBO_TARGET", target.url().to_owned()),
        ("OBO_LISTEN", proxy),
        ("OBO_ADMIN", admin),
    ]);
    let settings = crate::config::parse("routes.yaml", EXAMPLE, Path::new("."), &|name| variables.get(name).cloned())
        .map_err(|findings| Failure::new(findings.to_string()))?;
    Instance::assemble(settings).await.map_err(Failure::new)
}

/// The well-known port where it is free, any other where it is not.
fn bind(port: u16) -> Result<TcpListener, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?)
}

/// An address that was free a moment ago, for a listener that the configuration names.
fn free_address(port: u16) -> Result<String, Failure> {
    Ok(bind(port)?.local_addr()?.to_string())
}

async fn wait_until(condition: impl Fn() -> bool) -> Result<(), Failure> {
    for _ in 0..500 {
        if condition() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(Failure::new("the emulator's signing keys were not loaded"))
}

/// The configuration of the demo is the commented example that comes with the source.
const EXAMPLE: &str = include_str!("../../routes.yaml");
