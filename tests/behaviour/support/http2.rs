//! HTTP/2 on both sides of the proxy, stream by stream: targets that a test scripts, with and without TLS, and callers
//! that show all of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Proxy, World, configuration};

/// A target that speaks HTTP/2 with prior knowledge. It leaves with its test.
pub struct Http2Target {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    connections: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

/// A connection of a caller to the target.
pub type Connection = h2::server::Connection<TcpStream, Bytes>;

impl Http2Target {
    /// Serves each connection by `serve`; the second argument counts connections from 0.
    pub async fn connections<F>(serve: impl Fn(Connection, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with_streams(Arc::default(), serve).await
    }

    /// Serves each stream by `serve`.
    pub async fn streams<F>(
        serve: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let streams = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&streams);
        Self::with_streams(streams, move |mut connection, _| {
            let (serve, count) = (serve.clone(), Arc::clone(&count));
            async move {
                while let Some(Ok((request, respond))) = connection.accept().await {
                    count.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(serve(request, respond));
                }
            }
        })
        .await
    }

    async fn with_streams<F>(streams: Arc<AtomicUsize>, serve: impl Fn(Connection, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let turn = accepted.fetch_add(1, Ordering::SeqCst);
                if let Ok(connection) = h2::server::handshake(stream).await {
                    tokio::spawn(serve(connection, turn));
                }
            }
        });
        Self { url, connections, streams, serving }
    }

    /// How many connections arrived.
    pub fn connection_count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many streams arrived.
    pub fn stream_count(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }

    /// A route below `/t` that leads here.
    pub fn route(&self) -> String {
        format!(
            "\n  - {{name: wire, path: /t, target: {{url: '{}', http2: true}}, \
             scopes: [api://orders-backend/Orders.Read]}}\n",
            self.url
        )
    }
}

impl Drop for Http2Target {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Reads a body to its end; `None` if it breaks off.
pub async fn read(body: &mut RecvStream) -> Option<Vec<u8>> {
    let mut received = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        let _ = body.flow_control().release_capacity(data.len());
        received.extend_from_slice(&data);
    }
    Some(received)
}

/// Sends as much as the peer takes; `false` if it takes no more before the end.
pub async fn write(stream: &mut SendStream<Bytes>, mut data: Bytes, end: bool) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let Some(Ok(room)) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return false };
        let piece = data.split_to(room.min(data.len()));
        if stream.send_data(piece, end && data.is_empty()).is_err() {
            return false;
        }
    }
    true
}

/// Answers with this body.
pub fn answer(respond: &mut SendResponse<Bytes>, response: Response<()>, body: impl Into<Bytes>) {
    let body = body.into();
    let Ok(mut stream) = respond.send_response(response, body.is_empty()) else { return };
    if !body.is_empty() {
        let _ = stream.send_data(body, true);
    }
}

/// A second proxy of a world, which speaks HTTP/2 without TLS.
pub async fn proxy(world: &World, routes: &str) -> Proxy {
    let plain = configuration(world.emulator.url(), "", routes);
    let listen = "listen: [{address: '127.0.0.1:0', h2c: true}]";
    let proxy = Proxy::start(&plain.replace("listen: [{address: '127.0.0.1:0'}]", listen)).await;
    proxy.wait_until_ready().await;
    proxy
}

/// A caller of such a proxy.
pub async fn caller(proxy: &Proxy) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

/// All of an answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// Nothing if it broke off.
    pub body: Option<Vec<u8>>,
    pub trailers: HeaderMap,
}

/// Sends a request without a body; nothing where its stream ends before the header section of an answer.
pub async fn try_ask(sender: &mut h2::client::SendRequest<Bytes>, request: http::request::Builder) -> Option<Answer> {
    let (response, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
    let (head, mut body) = response.await.ok()?.into_parts();
    let received = read(&mut body).await;
    let trailers = body.trailers().await.ok().flatten().unwrap_or_default();
    Some(Answer { status: head.status.as_u16(), headers: head.headers, body: received, trailers })
}

/// Sends a request with this body, and reads all of the answer.
pub async fn ask(
    sender: &mut h2::client::SendRequest<Bytes>,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> Answer {
    let body = body.into();
    let (response, mut stream) = sender.send_request(request.body(()).unwrap(), body.is_empty()).unwrap();
    if !body.is_empty() {
        stream.send_data(body, true).unwrap();
    }
    read_answer(response).await
}

/// Reads all of an answer.
pub async fn read_answer(response: h2::client::ResponseFuture) -> Answer {
    let response = response.await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut stream = response.into_body();
    let body = read(&mut stream).await;
    let trailers = stream.trailers().await.ok().flatten().unwrap_or_default();
    Answer { status, headers, body, trailers }
}
