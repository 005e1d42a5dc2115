//! The side of the new process: what it inherits, and the word that it is ready.

use std::fs::File;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use super::{READY, VARIABLE, channel};

/// Sockets of another process that are to be used in place of new ones.
#[derive(Debug, Default)]
pub struct Inherited(Vec<(SocketAddr, TcpListener)>);

/// The process that serves until we are ready.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

impl Predecessor {
    /// The process that started this one to be its successor, if one did, and what it passed on. Call it once, before
    /// anything reads standard input.
    ///
    /// # Errors
    /// Where the sockets do not arrive.
    pub fn meet() -> io::Result<Option<(Self, Inherited)>> {
        if std::env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let sockets = channel::receive(&channel)?.into_iter().map(TcpListener::from);
        let sockets = sockets.map(|socket| Ok((socket.local_addr()?, socket))).collect::<io::Result<_>>()?;
        Ok(Some((Self(channel), Inherited(sockets))))
    }

    /// Tells it that we accept connections, so that it stops.
    pub fn dismiss(mut self) {
        if let Err(error) = self.0.write_all(READY) {
            tracing::warn!(%error, "the process before this one cannot be told that it is not needed any more");
        }
    }
}

impl Inherited {
    /// The socket that is bound to `address`; for port 0 the next one with that IP address.
    pub fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |bound: &SocketAddr| *bound == address || address.port() == 0 && bound.ip() == address.ip();
        let position = self.0.iter().position(|(bound, _)| is_it(bound))?;
        Some(self.0.remove(position).1)
    }

    /// Closes what nobody took. The process before goes on accepting there until it drains.
    pub fn drop_rest(self) {
        for (address, _) in self.0 {
            tracing::info!(%address, "address of the process before is not listened on any more");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_their_address_and_used_once() {
        let sockets: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        let mut inherited = Inherited(addresses.iter().copied().zip(sockets).collect());
        let mut take = |address: SocketAddr| inherited.take(address).map(|socket| socket.local_addr().unwrap());
        assert_eq!(take(addresses[1]), Some(addresses[1]));
        assert_eq!(take(addresses[1]), None);
        let any = "127.0.0.1:0".parse().unwrap();
        assert_eq!((take(any), take(any), take(any)), (Some(addresses[0]), Some(addresses[2]), None));
        assert_eq!(take("[::1]:0".parse().unwrap()), None);
    }
}
