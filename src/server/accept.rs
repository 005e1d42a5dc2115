//! The accept loop of a listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::complaints::Refusal;
use super::entrance::Arrival;
use super::listener::{Listener, State};
use super::open::OpenConnections;
use super::room::Room;
use super::workers::Workers;
use crate::connection::Connection;

/// What all listeners share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) workers: Workers,
    pub(super) room: Arc<Room>,
    pub(super) open: Arc<OpenConnections>,
}

impl Shared {
    pub(super) fn new(workers: Workers) -> Self {
        Self { workers, room: Arc::default(), open: Arc::default() }
    }
}

/// Takes connections until the listener leaves.
pub(super) async fn accept(listener: Arc<Listener>, shared: Arc<Shared>) {
    let Some(socket) = listener.socket() else { return };
    let mut state = listener.state.subscribe();
    loop {
        tokio::select! {
            biased;
            () = left(&mut state) => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => welcome(&listener, &shared, stream, peer),
                Err(error) => back_off(&listener, &shared, &error).await,
            },
        }
    }
    let closes = *state.borrow() == State::Closing;
    if closes {
        for (stream, peer) in waiting(&socket).await {
            welcome(&listener, &shared, stream, peer);
        }
    }
}

/// Waits until connections are not accepted any more.
async fn left(state: &mut watch::Receiver<State>) {
    // An error means that the listener is gone altogether.
    let _ = state.wait_for(|state| *state != State::Accepting).await;
}

fn welcome(listener: &Arc<Listener>, shared: &Shared, stream: TcpStream, peer: SocketAddr) {
    listener.metrics.accepted.inc();
    let entrance = listener.entrance.load_full();
    let Some(place) = shared.room.take(entrance.limits.connections) else {
        // Whoever comes next finds room, if somebody does not use what he has.
        shared.open.end_longest_unused();
        listener.complaints.refused(Refusal::Connections, Some(peer.ip()), String::new);
        return;
    };
    let Some(seat) = shared.workers.seat() else { return };
    // The event loop that accepted it has no part in it from now on.
    let Ok(stream) = stream.into_std() else { return };
    let connection = Arc::new(Connection::new(Arc::clone(&entrance.limits), Arc::clone(&listener.farewell)));
    let registration = shared.open.register(&connection, &listener.metrics);
    let (listener, room) = (Arc::clone(listener), Arc::clone(&shared.room));
    let (serves, event_loop, worker) = (Arc::clone(&connection), seat.event_loop.clone(), seat.worker);
    let serving = event_loop.spawn(async move {
        let _held = (place, seat, registration);
        if let Ok(stream) = TcpStream::from_std(stream) {
            entrance.serve(Arrival { stream, peer, worker, connection: serves, listener, room }).await;
        }
    });
    connection.bind(serving.abort_handle());
}

/// Connections that are complete, and only wait to be taken: their callers have no reason to doubt us.
async fn waiting(socket: &TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut taken = Vec::new();
    std::future::poll_fn(|context| {
        while let Poll::Ready(Ok(accepted)) = socket.poll_accept(context) {
            taken.push(accepted);
        }
        Poll::Ready(())
    })
    .await;
    taken
}

/// A connection that broke off while it waited is nothing; where the system has no more to give, accepting again at
/// once would fail again at once.
async fn back_off(listener: &Listener, shared: &Shared, error: &io::Error) {
    let cause = error.raw_os_error().map(Errno::from_raw_os_error);
    if !matches!(cause, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) {
        return tokio::task::yield_now().await;
    }
    listener.complaints.refused(Refusal::System, None, || error.to_string());
    shared.open.end_longest_unused();
    tokio::time::sleep(BACK_OFF).await;
}

/// How long nothing is accepted when the system has no more to give.
const BACK_OFF: Duration = Duration::from_millis(50);
