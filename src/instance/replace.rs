//! Puts a checked configuration in the place of the one that serves: first everything is bound, read and built, and only
//! then, with nothing left that could fail, the proxy goes by it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::{AssemblyError, gateway_settings};
use crate::admin::Door;
use crate::config::Settings;
use crate::proxy::Gateway;
use crate::server::{AdminSocket, Listeners};
use crate::telemetry::LogControl;

/// What a configuration governs in a running proxy.
#[derive(Debug)]
pub(super) struct Replacing {
    pub(super) gateway: Gateway,
    pub(super) listeners: Arc<Listeners>,
    pub(super) door: Door,
    pub(super) admin_socket: AdminSocket,
    pub(super) drain_timeout: Arc<Mutex<Duration>>,
    pub(super) log: Option<LogControl>,
}

impl Replacing {
    /// Goes by other settings from now on.
    ///
    /// # Errors
    /// The first thing that stands in the way; everything is as it was then.
    pub(super) async fn replace(&mut self, settings: Settings) -> Result<(), AssemblyError> {
        let moved = self.door.prepare(settings.admin).await?;
        let (log, drain_timeout) = (settings.log, settings.drain_timeout);
        let (gateway, listeners) = (self.gateway.clone(), Arc::clone(&self.listeners));
        // Thousands of routes take a while to build; requests must not wait behind that.
        let prepared = spawn_blocking(move || {
            let listening = listeners.prepare(&settings.listeners, &settings.limits, drain_timeout);
            let listening = listening.map_err(AssemblyError::Listener)?;
            Ok::<_, AssemblyError>((listening, gateway.prepare(gateway_settings(settings))?))
        });
        let (listening, next) = prepared.await.map_err(|_| AssemblyError::Broken)??;
        next.warm_up(WARM_UP).await;
        if self.gateway.is_leaving() {
            return Err(AssemblyError::Leaving);
        }
        let gateway = self.gateway.clone();
        spawn_blocking(move || gateway.take_over(next)).await.map_err(|_| AssemblyError::Broken)?;
        self.listeners.commit(listening);
        if let Some(to) = moved {
            *self.admin_socket.lock() = to.socket();
            self.door.go(to);
        }
        *self.drain_timeout.lock() = drain_timeout;
        self.log.iter().for_each(|control| control.set(log));
        Ok(())
    }
}

/// Seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How long the old configuration goes on serving while keys of a new identity or addresses of a new target are on their
/// way. Afterwards their routes answer that there are none, and all others serve.
const WARM_UP: Duration = Duration::from_secs(5);
