//! The connections that are open, and the sweep that ends those that take too long.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::connection::{Connection, Farewell};
use crate::telemetry::ListenerMetrics;

/// Every connection that is open, of all listeners.
#[derive(Debug, Default)]
pub(super) struct OpenConnections {
    entries: Mutex<HashMap<u64, Entry>>,
    count: AtomicU64,
    /// When room was made last.
    made_room: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    metrics: Arc<ListenerMetrics>,
}

/// A connection's entry; dropped with it.
#[derive(Debug)]
pub(super) struct Registration {
    open: Arc<OpenConnections>,
    number: u64,
    metrics: Arc<ListenerMetrics>,
}

impl OpenConnections {
    pub(super) fn register(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        metrics: &Arc<ListenerMetrics>,
    ) -> Registration {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let entry = Entry { connection: Arc::clone(connection), metrics: Arc::clone(metrics) };
        self.entries.lock().insert(number, entry);
        metrics.open.inc();
        Registration { open: Arc::clone(self), number, metrics: Arc::clone(metrics) }
    }

    /// Ends what is overdue.
    pub(super) fn sweep(&self) {
        for entry in self.entries.lock().values() {
            if let Some(overdue) = entry.connection.end_if_overdue() {
                entry.metrics.ended(overdue.label());
            }
        }
    }

    /// Sweeps for as long as it is polled.
    pub(super) async fn keep_swept(&self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.sweep();
        }
    }

    /// Makes room for others: ends the few connections that have been unused for longest. Not each time that it is
    /// asked for: a crowd at the door must not keep us busy looking for them.
    pub(super) fn end_longest_unused(&self) {
        if !self.is_time_to_make_room() {
            return;
        }
        let entries = self.entries.lock();
        let mut unused: Vec<_> =
            entries.values().filter_map(|entry| Some((entry.connection.unused_for()?, entry))).collect();
        unused.sort_unstable_by_key(|(milliseconds, _)| std::cmp::Reverse(*milliseconds));
        for (_, entry) in unused.into_iter().take(AT_ONCE) {
            if entry.connection.end_if_unused() {
                entry.metrics.ended("room");
            }
        }
    }

    fn is_time_to_make_room(&self) -> bool {
        let mut made_room = self.made_room.lock();
        let is_time = made_room.is_none_or(|at| at.elapsed() >= ROOM_INTERVAL);
        if is_time {
            *made_room = Some(Instant::now());
        }
        is_time
    }

    /// Ends all connections that leave by `farewell`, whatever they are doing.
    pub(super) fn abort(&self, farewell: &Arc<Farewell>) {
        for entry in self.entries.lock().values().filter(|entry| entry.connection.leaves_by(farewell)) {
            entry.metrics.ended("drain_timeout");
            entry.connection.abort();
        }
    }

    /// How many are open, and how many of them carry no request right now.
    pub(super) fn count(&self) -> (usize, usize) {
        let entries = self.entries.lock();
        (entries.len(), entries.values().filter(|entry| entry.connection.is_unused()).count())
    }

    /// How many of those that leave by `farewell` are open.
    pub(super) fn count_leaving(&self, farewell: &Arc<Farewell>) -> usize {
        self.entries.lock().values().filter(|entry| entry.connection.leaves_by(farewell)).count()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = self.open.entries.lock().remove(&self.number);
        self.metrics.open.dec();
        // Not before the lock is free: what an entry holds may be the last of its kind.
        drop(entry);
    }
}

/// How exact the time-outs of connections are.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
/// How often room is made.
const ROOM_INTERVAL: Duration = Duration::from_millis(20);
/// How many unused connections make room at once, so that looking for them is rare.
const AT_ONCE: usize = 64;
