//! What callers meet before their requests are read: TLS, the PROXY protocol, HTTP/2 without TLS, limits, and listeners
//! that change and leave.

mod certificates;
mod change;
mod cleartext;
mod crowd;
mod proxy_protocol;
mod slow;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use obo_proxy::emulator::{Emulator, EmulatorOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::wire::request;
use crate::support::{ROUTES, World, eventually, listener};

/// A world whose proxy has these listeners (a YAML list) and further settings at the top level.
async fn world(listeners: &str, more: &str) -> World {
    world_of(listeners, more, ROUTES).await
}

async fn world_of(listeners: &str, more: &str, routes: &str) -> World {
    let emulator = Emulator::start(listener(), EmulatorOptions::default()).await.unwrap();
    let world = World::around(emulator, "", routes, |configuration| {
        let listeners = format!("listen: {listeners}\n{more}");
        configuration.replace("listen: [{address: '127.0.0.1:0'}]", &listeners)
    })
    .await;
    world.proxy.wait_until_ready().await;
    world
}

const PLAIN: &str = "[{address: '127.0.0.1:0'}]";

fn get(token: &str) -> String {
    request("GET", "/orders/1", token, "")
}

/// How long it took until the peer closed or reset the connection, and what it said before.
async fn end_of(stream: &mut TcpStream) -> (Vec<u8>, Duration) {
    let (begun, mut said) = (Instant::now(), Vec::new());
    // An error is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the connection ends");
    (said, begun.elapsed())
}

/// Connects and says this.
async fn say(world: &World, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(world.proxy.address()).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    stream
}

/// The value of a metric of the first listener.
async fn metric(world: &World, name: &str, labels: &str) -> u64 {
    let address: SocketAddr = world.proxy.address().parse().unwrap();
    let labels = if labels.is_empty() { String::new() } else { format!(",{labels}") };
    let value = world.proxy.metric(&format!("{name}{{listener=\"{address}\"{labels}}}")).await;
    value.to_string().parse().unwrap()
}

/// Asserts that so many are counted: perhaps a moment after a caller has seen the end of its connection.
async fn assert_counted(world: &World, name: &str, labels: &str, expected: u64) {
    let what = format!("{name} with {labels} is {expected}");
    eventually(&what, async || metric(world, name, labels).await >= expected).await;
    assert_eq!(metric(world, name, labels).await, expected, "{what}");
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
