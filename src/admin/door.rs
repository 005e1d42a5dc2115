//! The admin listener while it answers: it can move to another address.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::Admin;

/// The admin listener, answering until it is dropped.
#[derive(Debug)]
pub struct Door {
    admin: Admin,
    /// The address that it was told to have.
    address: Option<SocketAddr>,
    answering: Option<Answering>,
}

/// Another address for the admin listener, bound and not answering yet.
#[derive(Debug)]
pub struct Move {
    address: Option<SocketAddr>,
    listener: Option<TcpListener>,
}

#[derive(Debug)]
struct Answering(AbortHandle);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Move {
    /// The new socket once more, for another process.
    pub fn socket(&self) -> Option<OwnedFd> {
        self.listener.as_ref().and_then(|listener| listener.as_fd().try_clone_to_owned().ok())
    }
}

impl Door {
    /// Answers on `listener`, which has the address that the configuration says.
    pub fn open(admin: Admin, address: Option<SocketAddr>, listener: Option<TcpListener>) -> Self {
        let answering = listener.map(|listener| Answering::begin(&admin, listener));
        Self { admin, address, answering }
    }

    /// Binds another address; nothing where it is the same.
    ///
    /// # Errors
    /// Where it cannot be bound.
    pub async fn prepare(&self, address: Option<SocketAddr>) -> Result<Option<Move>, (SocketAddr, io::Error)> {
        if address == self.address {
            return Ok(None);
        }
        let listener = match address {
            Some(address) => Some(Admin::bind(address).await.map_err(|cause| (address, cause))?),
            None => None,
        };
        Ok(Some(Move { address, listener }))
    }

    /// Answers there from now on, and no longer where it did.
    pub fn go(&mut self, to: Move) {
        let address = to.listener.as_ref().and_then(|listener| listener.local_addr().ok());
        self.answering = to.listener.map(|listener| Answering::begin(&self.admin, listener));
        self.address = to.address;
        tracing::info!(admin = address.map(|address| address.to_string()), "the admin listener has moved");
    }
}

impl Answering {
    fn begin(admin: &Admin, listener: TcpListener) -> Self {
        Self(tokio::spawn(admin.clone().serve(listener)).abort_handle())
    }
}
