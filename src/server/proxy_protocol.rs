//! The PROXY protocol, versions 1 and 2: what a load balancer says of the caller, before the caller says anything.
//! Whatever the specification does not allow is malformed, and ends the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What the bytes so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// More bytes decide.
    Incomplete,
    /// A header of this many bytes; whatever follows is the caller's. Without an address the connection is one of the
    /// load balancer itself (LOCAL, UNKNOWN), a health check for instance.
    Header { caller: Option<SocketAddr>, length: usize },
    /// No header.
    Malformed,
}

/// Reads the header at the beginning of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Reading {
    let starts_like = |mark: &[u8]| bytes.iter().zip(mark).all(|(byte, mark)| byte == mark);
    if starts_like(V2_MARK) {
        version_2(bytes)
    } else if starts_like(V1_MARK) {
        version_1(bytes)
    } else {
        Reading::Malformed
    }
}

fn version_1(bytes: &[u8]) -> Reading {
    let line_end = bytes.iter().take(V1_LONGEST).position(|byte| *byte == b'\n');
    let Some(end) = line_end else {
        return if bytes.len() < V1_LONGEST { Reading::Incomplete } else { Reading::Malformed };
    };
    let line = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    let announced = line.and_then(|line| std::str::from_utf8(line).ok()).and_then(announced_by_text);
    announced.map_or(Reading::Malformed, |announced| Reading::Header { caller: announced.0, length: end + 1 })
}

/// The caller, if there is one.
struct Announced(Option<SocketAddr>);

/// `PROXY TCP4 192.0.2.1 192.0.2.2 1025 80`, or `PROXY UNKNOWN` with anything behind it.
fn announced_by_text(line: &str) -> Option<Announced> {
    if line == "PROXY UNKNOWN" || line.starts_with("PROXY UNKNOWN ") {
        return Some(Announced(None));
    }
    let words: Vec<_> = line.split(' ').collect();
    let ["PROXY", family, source, destination, source_port, destination_port] = words.as_slice() else { return None };
    let (source, destination) = match *family {
        "TCP4" => (IpAddr::V4(source.parse().ok()?), IpAddr::V4(destination.parse().ok()?)),
        "TCP6" => (IpAddr::V6(source.parse().ok()?), IpAddr::V6(destination.parse().ok()?)),
        _ => return None,
    };
    let (source_port, _destination) = (port(source_port)?, (destination, port(destination_port)?));
    Some(Announced(Some(SocketAddr::new(source, source_port))))
}

/// Digits alone, without a zero in front.
fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

fn version_2(bytes: &[u8]) -> Reading {
    let Some((head, rest)) = bytes.split_first_chunk::<V2_HEAD>() else { return Reading::Incomplete };
    let [.., version_and_command, family, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_LONGEST || !matches!(version_and_command, V2_LOCAL | V2_PROXY) {
        return Reading::Malformed;
    }
    // Further fields (TLVs) may follow the addresses; nothing in them is for us.
    let Some(addresses) = rest.get(..length) else { return Reading::Incomplete };
    let length = V2_HEAD + length;
    match (version_and_command, family) {
        (V2_LOCAL, _) | (_, UNSPECIFIED) => Reading::Header { caller: None, length },
        (_, TCP4) => source::<4>(addresses, |octets| Ipv4Addr::from(octets).into(), length),
        (_, TCP6) => source::<16>(addresses, |octets| Ipv6Addr::from(octets).into(), length),
        _ => Reading::Malformed,
    }
}

/// Source, destination, source port, destination port.
fn source<const N: usize>(addresses: &[u8], ip: impl Fn([u8; N]) -> IpAddr, length: usize) -> Reading {
    let parts = || {
        let (source, rest) = addresses.split_first_chunk::<N>()?;
        let (_destination, rest) = rest.split_first_chunk::<N>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        rest.split_first_chunk::<2>()?;
        Some(SocketAddr::new(ip(*source), u16::from_be_bytes(*port)))
    };
    parts().map_or(Reading::Malformed, |caller| Reading::Header { caller: Some(caller), length })
}

/// The most bytes that a header can have.
pub(super) const LONGEST: usize = V2_HEAD + V2_LONGEST;

const V1_MARK: &[u8] = b"PROXY ";
/// As the specification counts it, line end included.
const V1_LONGEST: usize = 107;
const V2_MARK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD: usize = 16;
/// Addresses and further fields; load balancers in use stay far below it.
const V2_LONGEST: usize = 2048;
const V2_LOCAL: u8 = 0x20;
const V2_PROXY: u8 = 0x21;
const UNSPECIFIED: u8 = 0x00;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [V2_MARK, &[command, family], &length, addresses].concat()
    }

    fn header(caller: &str, length: usize) -> Reading {
        Reading::Header { caller: Some(caller.parse().unwrap()), length }
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 4, 1, 0, 80];

    #[test]
    fn callers_are_read_from_both_versions() {
        assert_eq!(read(b"PROXY TCP4 192.0.2.1 192.0.2.2 1025 80\r\nGET"), header("192.0.2.1:1025", 40));
        assert_eq!(read(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), header("[2001:db8::1]:1", 36));
        assert_eq!(read(&v2(V2_PROXY, TCP4, &V4)), header("192.0.2.1:1025", 28));
        let v6 = [[0x20; 16].as_slice(), &[0; 16], &[0, 9, 0, 80], b"\x03\0\x04abcd"].concat();
        assert_eq!(read(&v2(V2_PROXY, TCP6, &v6)), header("[2020:2020:2020:2020:2020:2020:2020:2020]:9", 59));
    }

    #[test]
    fn connections_of_the_load_balancer_itself_have_no_caller() {
        for (text, length) in [("PROXY UNKNOWN\r\n", 15), ("PROXY UNKNOWN a b c\r\n", 21)] {
            assert_eq!(read(text.as_bytes()), Reading::Header { caller: None, length });
        }
        for bytes in [v2(V2_LOCAL, UNSPECIFIED, b""), v2(V2_LOCAL, TCP4, &V4), v2(V2_PROXY, UNSPECIFIED, b"abc")] {
            assert_eq!(read(&bytes), Reading::Header { caller: None, length: bytes.len() });
        }
    }

    #[test]
    fn what_is_no_header_is_malformed() {
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UNKNOWNS\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), Reading::Malformed, "{text}");
        }
        for bytes in [
            v2(0x22, TCP4, &V4),
            v2(0x11, TCP4, &V4),
            v2(V2_PROXY, 0x12, &V4),
            v2(V2_PROXY, 0x31, &[0; 216]),
            v2(V2_PROXY, TCP4, &V4[..11]),
            v2(V2_PROXY, TCP6, &V4),
            v2(V2_PROXY, TCP4, &[0; V2_LONGEST + 1]),
        ] {
            assert_eq!(read(&bytes), Reading::Malformed, "{bytes:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up_at_its_greatest_length() {
        let line = format!("PROXY UNKNOWN {}", "a".repeat(200));
        assert_eq!(read(&line.as_bytes()[..106]), Reading::Incomplete);
        assert_eq!(read(&line.as_bytes()[..107]), Reading::Malformed);
    }

    proptest! {
        #[test]
        fn beginnings_of_headers_are_incomplete_and_what_follows_changes_nothing(
            fourth in any::<[u8; 4]>(), port in any::<u16>(), tail in proptest::collection::vec(any::<u8>(), 0..40),
            fields in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let source = SocketAddr::from((fourth, port));
            let text = format!("PROXY TCP4 {} 192.0.2.9 {port} 443\r\n", source.ip()).into_bytes();
            let binary = v2(V2_PROXY, TCP4, &[&fourth[..], &[1, 2, 3, 4], &port.to_be_bytes(), &[1, 187], &fields].concat());
            for whole in [text, binary] {
                let expected = Reading::Header { caller: Some(source), length: whole.len() };
                prop_assert_eq!(read(&[whole.as_slice(), &tail].concat()), expected);
                for cut in 0..whole.len() {
                    prop_assert_eq!(read(&whole[..cut]), Reading::Incomplete);
                }
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let with_mark = [V2_MARK, &bytes].concat();
            for bytes in [&bytes, &with_mark] {
                if let Reading::Header { length, .. } = read(bytes) {
                    prop_assert!(length <= bytes.len());
                }
            }
        }
    }
}
