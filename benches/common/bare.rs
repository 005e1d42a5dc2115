//! What the program is compared with: a Pingora proxy that does nothing but forward.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use pingora::Result;
use pingora::apps::ServerApp as _;
use pingora::modules::http::HttpModules;
use pingora::protocols::l4::stream::Stream;
use pingora::proxy::{HttpProxy, ProxyHttp, Session, http_proxy, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A Pingora proxy to `target`. What could make it slower or faster than the program for another reason than its work is
/// as there: a worker for each core with an event loop and a pool of target connections of its own, connections dealt
/// out evenly among them, the allocator, the profile of the compiler, the backlog, and no module of Pingora in use.
pub fn serve(address: &str, target: &str) {
    serve_peer(address, &peer(target));
}

/// As [`serve`], with time-outs towards the target as the program has them: what these cost is Pingora's.
pub fn serve_with_timeouts(address: &str, target: &str) {
    let mut peer = peer(target);
    let options = &mut peer.options;
    options.connection_timeout = Some(Duration::from_secs(5));
    options.total_connection_timeout = Some(Duration::from_secs(5));
    options.read_timeout = Some(Duration::from_mins(1));
    options.write_timeout = Some(Duration::from_mins(1));
    options.idle_timeout = Some(Duration::from_secs(30));
    serve_peer(address, &peer);
}

/// As Pingora's own server runs a proxy by default: threads that take work from each other, and one pool of connections.
pub fn serve_as_pingora_does(address: &str, target: &str) {
    let mut server = Server::new(None).unwrap();
    let conf = ServerConf {
        threads: thread::available_parallelism().map_or(1, usize::from),
        upstream_keepalive_pool_size: 4096,
        ..ServerConf::default()
    };
    server.configuration = Arc::new(conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare(peer(target)));
    service.add_tcp(address);
    server.add_service(service);
    server.run_forever();
}

fn peer(target: &str) -> HttpPeer {
    HttpPeer::new(target.parse::<SocketAddr>().unwrap(), false, String::new())
}

fn serve_peer(address: &str, peer: &HttpPeer) {
    let address: SocketAddr = address.parse().unwrap();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers: Vec<_> = (0..cores).map(|_| (worker(), Arc::new(proxy(peer.clone())))).collect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(4096).unwrap();
        let mut told_to_end = signal(SignalKind::terminate()).unwrap();
        for (event_loop, proxy) in workers.iter().cycle() {
            let stream = tokio::select! {
                connection = listener.accept() => connection.unwrap().0,
                _ = told_to_end.recv() => return,
            };
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

fn proxy(peer: HttpPeer) -> HttpProxy<Bare> {
    let conf = ServerConf { upstream_keepalive_pool_size: 4096, threads: 1, ..ServerConf::default() };
    http_proxy(&Arc::new(conf), Bare(peer))
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
