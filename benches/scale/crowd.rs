//! Many first requests at once, of fewer callers: each caller is exchanged once.
#![expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use tokio::net::TcpStream;

use super::cost::millis;
use super::program::Program;
use super::report::Section;
use super::scene::Scene;

pub async fn measure(scene: &Scene) -> Section {
    let (callers, each) = scene.plan.crowd;
    let mut section = Section::new(
        "A crowd of first requests",
        "All at once: 100 callers with a new token A each send 100 requests, as streams of one HTTP/2 connection. Every \
         one is answered 200, and the identity provider sees one exchange for each caller.",
    );
    let program = Program::start("crowd", &scene.provider, &scene.route(), &[]).await;
    let connect = (0..callers).map(|n| connect(&program.proxy.address, scene.provider.mint(&format!("crowd-{n}"))));
    let connected = join_all(connect).await;
    let (exchanges, cpu, started) = (scene.provider.exchanges(), program.proxy.cpu(), Instant::now());
    let asked = connected.into_iter().map(|caller| tokio::spawn(ask(caller, each)));
    let served: usize = join_all(asked).await.into_iter().map(Result::unwrap).sum();
    let (took, cpu) = (started.elapsed(), program.proxy.cpu().saturating_sub(cpu));
    let exchanges = scene.provider.exchanges() - exchanges;
    assert_eq!((served, exchanges), (callers * each, callers as u64), "requests served, and exchanges");
    section.row("requests", served as f64, "");
    section.goal("exchanges", exchanges as f64, "", callers as f64);
    section.row("all served after", millis(took), "ms");
    section.row("CPU of the proxy", millis(cpu), "ms");
    section.row("peak memory", program.proxy.peak_memory() as f64 / 1024.0 / 1024.0, "MiB");
    section
}

/// A caller with its connection.
struct Connected {
    sender: h2::client::SendRequest<Bytes>,
    address: String,
    token: String,
}

async fn connect(address: &str, token: String) -> Connected {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    Connected { sender, address: address.to_owned(), token }
}

/// Sends so many requests without waiting for an answer, and counts those that were answered 200, bodies read.
async fn ask(caller: Connected, count: usize) -> usize {
    let mut sender = caller.sender.ready().await.unwrap();
    let request = || {
        let uri = format!("http://{}/orders/1", caller.address);
        Request::get(uri).header("authorization", format!("Bearer {}", caller.token)).body(()).unwrap()
    };
    let mut answers = Vec::new();
    for _ in 0..count {
        answers.push(sender.send_request(request(), true).unwrap().0);
        sender = sender.ready().await.unwrap();
    }
    let served = join_all(answers.into_iter().map(async |answer| {
        let answer = answer.await.unwrap();
        let (head, mut body) = answer.into_parts();
        while let Some(part) = body.data().await {
            body.flow_control().release_capacity(part.unwrap().len()).unwrap();
        }
        usize::from(head.status == StatusCode::OK)
    }));
    served.await.into_iter().sum()
}
