//! The frames of an HTTP/2 caller (RFC 9113 section 4), as far as time and floods are concerned: how long a header
//! section takes to arrive, and how many requests are taken back right after they were made.

use crate::connection::Connection;

/// Where in its frames a connection is.
#[derive(Debug)]
pub(super) struct Frames {
    place: Place,
    /// Whether a header section has begun that goes on in CONTINUATION frames.
    section_is_open: bool,
    /// Whether the settings of the caller have arrived, and with them the end of the handshake.
    is_settled: bool,
    last_stream: u32,
    streams: u32,
    resets: u32,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// So many bytes of the preface are still to come.
    Preface(usize),
    /// So many bytes of a frame's header are here.
    Header([u8; FRAME_HEADER], usize),
    /// So many bytes of a frame's payload are still to come.
    Payload { kind: u8, left: usize },
}

impl Default for Frames {
    fn default() -> Self {
        let place = Place::Preface(PREFACE);
        Self { place, section_is_open: false, is_settled: false, last_stream: 0, streams: 0, resets: 0 }
    }
}

impl Frames {
    /// Follows what arrived, and tells the connection. `false` where the connection is not to go on: it has ended, or
    /// takes back too many of its requests.
    pub(super) fn note(&mut self, mut arrived: &[u8], connection: &Connection) -> bool {
        while !arrived.is_empty() {
            let Some(rest) = self.advance(arrived) else { return false };
            arrived = rest;
        }
        if self.is_flood() {
            connection.flooded();
            return false;
        }
        match () {
            () if !self.is_settled => !connection.has_ended(),
            () if self.section_is_under_way() => connection.section_begun(),
            () => connection.section_done(),
        }
    }

    /// Whether requests are taken back as the rule: a few may be, by a caller that has changed its mind.
    fn is_flood(&self) -> bool {
        self.resets >= TOLERATED_RESETS && self.resets > self.streams / 2
    }

    fn section_is_under_way(&self) -> bool {
        self.section_is_open
            || match self.place {
                Place::Preface(_) => true,
                Place::Header(_, have) => have > 0,
                Place::Payload { kind, .. } => matches!(kind, HEADERS | CONTINUATION),
            }
    }

    fn advance<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        match self.place {
            Place::Preface(left) => {
                let taken = left.min(bytes.len());
                self.place = if taken == left { BETWEEN } else { Place::Preface(left - taken) };
                bytes.get(taken..)
            }
            Place::Header(mut header, have) => {
                let taken = (FRAME_HEADER - have).min(bytes.len());
                header.get_mut(have..have + taken)?.copy_from_slice(bytes.get(..taken)?);
                self.place = Place::Header(header, have + taken);
                if have + taken == FRAME_HEADER {
                    self.frame(header);
                }
                bytes.get(taken..)
            }
            Place::Payload { kind, left } => {
                let taken = left.min(bytes.len());
                self.payload(kind, left - taken);
                bytes.get(taken..)
            }
        }
    }

    fn frame(&mut self, header: [u8; FRAME_HEADER]) {
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = header;
        let stream = u32::from_be_bytes([s1, s2, s3, s4]) & 0x7fff_ffff;
        match kind {
            HEADERS => {
                self.section_is_open = flags & END_HEADERS == 0;
                // A stream has a second section where it has trailers.
                if stream > self.last_stream {
                    self.last_stream = stream;
                    self.streams = self.streams.saturating_add(1);
                }
            }
            CONTINUATION => self.section_is_open = flags & END_HEADERS == 0,
            RST_STREAM => self.resets = self.resets.saturating_add(1),
            _ => {}
        }
        let length = u32::from_be_bytes([0, l1, l2, l3]);
        self.payload(kind, usize::try_from(length).unwrap_or(usize::MAX));
    }

    fn payload(&mut self, kind: u8, left: usize) {
        if left > 0 {
            self.place = Place::Payload { kind, left };
            return;
        }
        self.is_settled |= kind == SETTINGS;
        self.place = BETWEEN;
    }
}

const PREFACE: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();
const FRAME_HEADER: usize = 9;
const BETWEEN: Place = Place::Header([0; FRAME_HEADER], 0);
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// As many requests of one connection may be taken back before their share in all of them counts.
const TOLERATED_RESETS: u32 = 200;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::connection::Limits;

    fn connection() -> Connection {
        let connection = Connection::new(Arc::new(Limits::default()), Arc::default());
        connection.multiplex();
        connection
    }

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn opening() -> Vec<u8> {
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[0; 6])].concat()
    }

    #[test]
    fn sections_are_under_way_from_their_first_byte_to_their_last() {
        let (connection, mut frames) = (connection(), Frames::default());
        for byte in opening() {
            assert!(connection.is_unused(), "the handshake counts as a section");
            assert!(frames.note(&[byte], &connection));
        }
        assert!(!connection.is_unused());
        let section =
            [frame(HEADERS, 0, 1, b"ab"), frame(0, 0, 1, b""), frame(CONTINUATION, END_HEADERS, 1, b"c")].concat();
        for byte in section {
            assert!(frames.note(&[byte], &connection));
            let is_last = byte == b'c';
            assert_eq!(connection.is_unused(), !is_last);
        }
        let data = frame(0, 0, 1, b"abc");
        assert!(frames.note(&data[..9], &connection));
        assert!(!connection.is_unused(), "a body is no section");
        assert!(frames.note(&data[9..], &connection) && frames.note(&data[..4], &connection));
        assert!(connection.is_unused(), "what kind of frame this is, is not known yet");
    }

    #[test]
    fn frames_are_followed_however_they_are_cut() {
        let bytes: Vec<u8> =
            [opening(), (0..50).flat_map(|n| frame(HEADERS, 4, 2 * n + 1, &[7; 40])).collect()].concat();
        for size in [1, 2, 7, 9, 10, 49, 1000] {
            let mut frames = Frames::default();
            let connection = connection();
            assert!(bytes.chunks(size).all(|chunk| frames.note(chunk, &connection)));
            assert_eq!((frames.streams, frames.section_is_under_way()), (50, false), "{size}");
        }
    }

    #[test]
    fn who_takes_back_what_it_asks_for_is_not_listened_to() {
        let (connection, mut frames) = (connection(), Frames::default());
        assert!(frames.note(&opening(), &connection));
        let request = |n: u32| frame(HEADERS, 4, 2 * n + 1, b"a");
        let reset = |n: u32| frame(RST_STREAM, 0, 2 * n + 1, &[0; 4]);
        for n in 0..TOLERATED_RESETS - 1 {
            assert!(frames.note(&[request(n), reset(n)].concat(), &connection));
        }
        assert!(!frames.note(&[request(1000), reset(1000)].concat(), &connection));
    }

    #[test]
    fn who_takes_back_few_of_many_is_served() {
        let (connection, mut frames) = (connection(), Frames::default());
        assert!(frames.note(&opening(), &connection));
        for n in 0..2000 {
            assert!(frames.note(&frame(HEADERS, 4, 2 * n + 1, b"a"), &connection));
            if n % 3 == 0 {
                assert!(frames.note(&frame(RST_STREAM, 0, 2 * n + 1, &[0; 4]), &connection));
            }
        }
    }
}
