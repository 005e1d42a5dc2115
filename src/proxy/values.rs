//! Header values that are made for one request: many of them share one piece of memory.

use std::cell::RefCell;

use bytes::BytesMut;
use http::HeaderValue;

thread_local! {
    /// What is left of the piece that values are cut from.
    static PIECE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The value that `write` appends, at most [`LONGEST`] bytes for no more memory than that. Nothing where it is no header
/// value.
pub(super) fn header_value(write: impl FnOnce(&mut BytesMut)) -> Option<HeaderValue> {
    let bytes = PIECE.with_borrow_mut(|piece| {
        if piece.capacity() < LONGEST {
            *piece = BytesMut::with_capacity(PIECE_LENGTH);
        }
        write(piece);
        piece.split().freeze()
    });
    HeaderValue::from_maybe_shared(bytes).ok()
}

/// Appends `digits` hexadecimal digits of a number, the last ones.
pub(super) fn append_hex(to: &mut BytesMut, number: u128, digits: u32) {
    for digit in (0..digits).rev() {
        let nibble = u8::try_from((number >> (4 * digit)) & 0xf).unwrap_or(0);
        to.extend_from_slice(&[if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble }]);
    }
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
        for (number, digits, text) in [(0xdead_beef, 8, "deadbeef"), (1, 4, "0001"), (0x1_2345, 4, "2345")] {
            assert_eq!(header_value(|piece| append_hex(piece, number, digits)).unwrap(), text);
        }
        let largest = header_value(|piece| append_hex(piece, u128::MAX, 32)).unwrap();
        assert_eq!(largest, "f".repeat(32));
    }
}
