//! The signals that end a command, the one by which another process takes over, and the one that has the configuration
//! read again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGTERM or SIGINT.
pub(super) async fn stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Waits for SIGTERM or SIGINT, or until `hand_over` says, after a SIGUSR2, that another process has taken over.
pub(super) async fn stop_or_hand_over(mut wanted: Signal, hand_over: impl AsyncFn() -> bool) {
    let handed_over = async {
        loop {
            if wanted.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            if hand_over().await {
                return;
            }
        }
    };
    tokio::select! {
        () = stop() => {}
        () = handed_over => {}
    }
}

/// SIGUSR2, which no longer ends the process from now on.
pub(super) fn hand_over_wanted() -> io::Result<Signal> {
    signal(SignalKind::user_defined2())
}

/// SIGHUP, which no longer ends the process from now on.
pub(super) fn reload_wanted() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Does this each time it is wanted. What is wanted several times meanwhile is done once.
pub(super) async fn each_hangup(mut wanted: Signal, act: impl AsyncFn()) {
    while wanted.recv().await.is_some() {
        act().await;
    }
}
