//! Sockets through a socket.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Sends these descriptors, together with their number.
pub(super) fn send(channel: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let count = u16::try_from(descriptors.len()).ok().filter(|count| usize::from(*count) <= MOST);
    let count = count.ok_or_else(|| io::Error::other(format!("more than {MOST} sockets")))?.to_be_bytes();
    let mut space = [0; SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many sockets"));
    }
    sendmsg(channel, &[IoSlice::new(&count)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives what [`send`] sent.
pub(super) fn receive(channel: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut count = [0; 2];
    let mut space = [0; SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(channel, &mut [IoSliceMut::new(&mut count)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let rights = |message| match message {
        RecvAncillaryMessage::ScmRights(rights) => Some(rights),
        _ => None,
    };
    let descriptors: Vec<OwnedFd> = control.drain().filter_map(rights).flatten().collect();
    if received.bytes == count.len() && descriptors.len() == usize::from(u16::from_be_bytes(count)) {
        Ok(descriptors)
    } else {
        Err(io::Error::other("not all sockets arrived"))
    }
}

/// The system passes no more at once.
const MOST: usize = 250;
const SPACE: usize = rustix::cmsg_space!(ScmRights(MOST));

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn sockets_arrive_as_they_are() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let sockets: Vec<_> = (0..MOST).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        for sent in [MOST, 2, 0] {
            let descriptors: Vec<_> = sockets.iter().take(sent).map(AsFd::as_fd).collect();
            send(&ours, &descriptors).unwrap();
            let received = receive(&theirs).unwrap();
            let addresses: Vec<_> =
                received.into_iter().map(|socket| TcpListener::from(socket).local_addr().unwrap()).collect();
            let expected: Vec<_> = sockets.iter().take(sent).map(|socket| socket.local_addr().unwrap()).collect();
            assert_eq!(addresses, expected);
        }
    }

    #[test]
    fn a_channel_that_closes_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        assert!(receive(&theirs).is_err());
    }
}
