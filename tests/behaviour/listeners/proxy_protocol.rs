//! The PROXY protocol: believed from those that must speak it, and nobody else comes in.

use tokio::io::AsyncWriteExt;

use super::{assert_counted, end_of, get, metric, say, world};
use crate::support::eventually;
use crate::support::log::lines_with;
use crate::support::wire::Wire;

const FROM_HERE: &str = "[{address: '127.0.0.1:0', proxy_protocol: {from: [127.0.0.0/8]}}]";

/// A header of version 2 for 203.0.113.9, with a field behind the addresses.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xcb\0\x71\x09\x7f\0\0\x01\x1f\x90\0\x50\x04\0\x02ab";

async fn forwarded_for(header: &[u8]) -> String {
    let world = world(FROM_HERE, "").await;
    let token = world.token();
    let mut caller = Wire::new(say(&world, header).await);
    for _ in 0..2 {
        assert_eq!(caller.ask(get(&token)).await.status(), 200);
    }
    let seen = world.target.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("x-forwarded-for"), seen[1].header("x-forwarded-for"));
    seen[0].header("x-forwarded-for").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_in_the_header_is_the_callers() {
    assert_eq!(forwarded_for(b"PROXY TCP4 198.51.100.7 127.0.0.1 4711 80\r\n").await, "198.51.100.7");
    assert_eq!(forwarded_for(b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n").await, "2001:db8::7");
    assert_eq!(forwarded_for(b"PROXY TCP6 ::ffff:198.51.100.8 ::1 4711 80\r\n").await, "198.51.100.8");
    assert_eq!(forwarded_for(V2).await, "203.0.113.9");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_load_balancers_own_connections_keep_its_address() {
    assert_eq!(forwarded_for(b"PROXY UNKNOWN\r\n").await, "127.0.0.1");
    assert_eq!(forwarded_for(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await, "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_the_limits_know_the_address_of_the_header() {
    let world = world(FROM_HERE, "limits: {connections_per_address: 1}").await;
    let hello = |last: u8| format!("PROXY TCP4 198.51.100.{last} 127.0.0.1 4711 80\r\n");
    let token = world.token();
    let mut first = Wire::new(say(&world, hello(1)).await);
    assert_eq!(first.ask(get(&token)).await.status(), 200);
    assert_eq!(end_of(&mut say(&world, hello(1)).await).await.0, b"");
    let refused = metric(&world, "obo_proxy_connections_refused_total", "reason=\"connections_per_address\"").await;
    assert_eq!(refused, 1);
    assert_eq!(Wire::new(say(&world, hello(2)).await).ask(get(&token)).await.status(), 200);
    eventually("the access line is written", async || !lines_with("\"remote\":\"198.51.100.2:4711\"").is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_may_come_in_pieces() {
    let world = world(FROM_HERE, "").await;
    let mut stream = say(&world, "").await;
    for byte in V2 {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(Wire::new(stream).ask(get(&world.token())).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_header_end_without_an_answer() {
    let world = world(FROM_HERE, "limits: {header_timeout: 300ms}").await;
    let token = world.token();
    let overlong = format!("PROXY UNKNOWN {}", "a".repeat(200));
    let huge = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".as_slice(), &[0; 4000]].concat();
    let bytes = [get(&token).into_bytes(), overlong.into_bytes(), huge, b"PROXY TCP4 1.2.3.4".to_vec(), Vec::new()];
    for bytes in bytes {
        assert_eq!(end_of(&mut say(&world, &bytes).await).await.0, b"", "{}", String::from_utf8_lossy(&bytes));
    }
    let refused = || metric(&world, "obo_proxy_connections_refused_total", "reason=\"proxy_protocol_header\"");
    // Of those that do not go on, whichever clock was first counts.
    let swept = || metric(&world, "obo_proxy_connections_ended_total", "reason=\"header_timeout\"");
    eventually("each is counted", async || refused().await + swept().await == 5).await;
    assert!(refused().await >= 3 && swept().await <= 2);
    assert_eq!(world.target.total_hits(), 0);
    eventually("nothing is open", async || metric(&world, "obo_proxy_connections", "").await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_cannot_connect_with_or_without_a_header() {
    let world = world("[{address: '127.0.0.1:0', proxy_protocol: {from: [192.0.2.0/24, '::1']}}]", "").await;
    let token = world.token();
    for bytes in [get(&token), format!("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n{}", get(&token))] {
        assert_eq!(end_of(&mut say(&world, bytes).await).await.0, b"");
    }
    let refused = "obo_proxy_connections_refused_total";
    assert_counted(&world, refused, "reason=\"proxy_protocol_source\"", 2).await;
    assert_eq!(world.target.total_hits(), 0);
}
