//! `obo-proxy run`.

use std::num::NonZeroUsize;
use std::path::Path;

use rustix::thread::disable_transparent_huge_pages;

use super::{Failure, load, signals};
use crate::instance::Instance;
use crate::server::{self, Departure, Predecessor, Program};
use crate::telemetry;

/// Serves the configuration until a signal ends it.
pub(super) async fn run(config: &Path, workers: NonZeroUsize) -> Result<(), Failure> {
    use_huge_pages(false);
    let program = Program::current().map_err(Failure::new)?;
    let predecessor = Predecessor::meet().map_err(Failure::new)?;
    let hand_over_wanted = signals::hand_over_wanted().map_err(Failure::new)?;
    let reload_wanted = signals::reload_wanted().map_err(Failure::new)?;
    let settings = load(config)?;
    let log = telemetry::install(settings.log).map_err(Failure::new)?;
    let (routes, connections) = (settings.routes.len(), settings.limits.connections);
    let mut instance = Instance::succeed(settings, workers, predecessor).await.map_err(Failure::new)?;
    let reloads = instance.follow(config, Some(log.control()));
    tokio::spawn(signals::each_hangup(reload_wanted, async move || drop(reloads.reload().await)));
    let ready = instance.readiness();
    tokio::spawn(async move {
        ready.await;
        use_huge_pages(true);
    });
    let addresses: Vec<_> = instance.addresses().iter().map(ToString::to_string).collect();
    let admin = instance.admin_address().map(|address| address.to_string()).unwrap_or_default();
    let open_files = server::raise_open_files();
    tracing::info!(
        listen = addresses.join(" "),
        admin,
        routes,
        workers,
        open_files,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    // One for the caller, one for the target.
    if open_files.is_some_and(|files| files / 2 < connections as u64) {
        tracing::warn!(open_files, connections, "limits.connections is more than half of the files that may be open");
    }
    let hand_over = instance.hand_over(program);
    let stop = signals::stop_or_hand_over(hand_over_wanted, async || hand_over.attempt().await);
    match instance.serve(Some(log.dropped_lines()), stop).await {
        Departure::Clean => tracing::info!("left with nothing in flight"),
        Departure::BrokenOff(requests) => tracing::warn!(requests, "left with requests broken off"),
    }
    Ok(())
}

/// Whether memory that is touched for the first time from now on may come in pages of 2 MiB. Requests are served faster
/// from those; what is needed only to start lies scattered, and would make one resident for a few kilobytes each.
fn use_huge_pages(may: bool) {
    // An error means that pages are of whatever size the system prefers.
    let _ = disable_transparent_huge_pages(!may);
}
