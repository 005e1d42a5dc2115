//! The signals that end a command, and the one by which another process takes over.

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
