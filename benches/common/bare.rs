//! What the program is compared with: a Pingora proxy that does nothing but forward.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use pingora::Result;
use pingora::apps::ServerApp as _;
use pingora::modules::http::HttpModules;
use pingora::protocols::l4::stream::Stream;
use pingora::proxy::{HttpProxy, ProxyHttp, Session, http_proxy};
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// A Pingora proxy to `target`. What could make it slower or faster than the program for another reason than its work is
/// as there: a worker for each core with an event loop and a pool of target connections of its own, connections dealt
/// out evenly among them, the allocator, the profile of the compiler, the backlog, and no module of Pingora in use. With
/// the one pool of threads that Pingora has by default it would cost more.
pub fn serve(address: &str, target: &str) {
    let address: SocketAddr = address.parse().unwrap();
    let target: SocketAddr = target.parse().unwrap();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers: Vec<_> = (0..cores).map(|_| (worker(), Arc::new(proxy(target)))).collect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(4096).unwrap();
        for (event_loop, proxy) in workers.iter().cycle() {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            event_loop.spawn(speak(Arc::clone(proxy), stream.into_std().unwrap()));
        }
    });
}

fn worker() -> Handle {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let event_loop = runtime.handle().clone();
    thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    event_loop
}

fn proxy(target: SocketAddr) -> HttpProxy<Bare> {
    let conf = ServerConf { upstream_keepalive_pool_size: 4096, threads: 1, ..ServerConf::default() };
    http_proxy(&Arc::new(conf), Bare(HttpPeer::new(target, false, String::new())))
}

async fn speak(proxy: Arc<HttpProxy<Bare>>, stream: std::net::TcpStream) {
    let (_stay, stopped) = watch::channel(false);
    let stream = Stream::from(TcpStream::from_std(stream).unwrap());
    proxy.process_new(Box::new(stream), &stopped).await;
}

struct Bare(HttpPeer);

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn upstream_peer(&self, _session: &mut Session, _context: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.0.clone()))
    }
}

/// Both have.
pub const WORKERS: &str = "one for each core";
