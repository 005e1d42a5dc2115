//! Header values that are made for one request: many of them share one piece of memory.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;

thread_local! {
    /// What is left of the piece that values are cut from.
    static PIECE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The bytes that `write` appends, at most [`LONGEST`] for no more memory than that.
pub(super) fn bytes(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    PIECE.with_borrow_mut(|piece| {
        if piece.capacity() < LONGEST {
            *piece = BytesMut::with_capacity(PIECE_LENGTH);
        }
        write(piece);
        piece.split().freeze()
    })
}

/// The value that `write` appends, as [`bytes()`] does. Nothing where it is no header value.
pub(super) fn header_value(write: impl FnOnce(&mut BytesMut)) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(bytes(write)).ok()
}

/// Appends a number in hexadecimal, with all `DIGITS` of its last digits.
pub(super) fn append_hex<const DIGITS: usize>(to: &mut BytesMut, number: u128) {
    let mut text = [0; DIGITS];
    let mut rest = number;
    for digit in text.iter_mut().rev() {
        let nibble = (rest & 0xf) as u8;
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
        rest >>= 4;
    }
    to.extend_from_slice(&text);
}

/// The longest value that is expected, in bytes.
const LONGEST: usize = 128;
/// A request that lasts keeps a whole piece, so it is not large; in bytes.
const PIECE_LENGTH: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<HeaderValue> {
        header_value(|piece| piece.extend_from_slice(text.as_bytes()))
    }

    #[test]
    fn values_are_what_was_written() {
        let lengths = [0, 36, LONGEST, 2 * PIECE_LENGTH, 55];
        let texts: Vec<_> = (0..500).map(|turn| format!("{turn}").repeat(lengths[turn % 5] / 3)).collect();
        let values: Vec<_> = texts.iter().map(|text| value(text).unwrap()).collect();
        assert!(texts.iter().zip(values).all(|(text, value)| value == *text));
        assert_eq!(value("a\nb"), None);
    }

    #[test]
    fn numbers_are_hexadecimal_and_of_one_length() {
        assert_eq!(header_value(|piece| append_hex::<8>(piece, 0xdead_beef)).unwrap(), "deadbeef");
        assert_eq!(header_value(|piece| append_hex::<4>(piece, 1)).unwrap(), "0001");
        assert_eq!(header_value(|piece| append_hex::<4>(piece, 0x1_2345)).unwrap(), "2345");
        let largest = header_value(|piece| append_hex::<32>(piece, u128::MAX)).unwrap();
        assert_eq!(largest, "f".repeat(32));
    }
}
