//! What the program is compared with: a Pingora proxy that does nothing but forward.

use std::net::SocketAddr;
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::Result;
use pingora::modules::http::HttpModules;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Fds;
use pingora::server::configuration::ServerConf;
use pingora::services::Service as _;
use pingora::upstreams::peer::HttpPeer;
use tokio::net::TcpSocket;
use tokio::sync::watch;

/// A Pingora proxy to `target`, started as the program starts its own: the runtime, the listener, the options.
pub fn serve(address: &str, target: &str) {
    let address: SocketAddr = address.parse().unwrap();
    let peer = Bare(HttpPeer::new(target.parse::<SocketAddr>().unwrap(), false, String::new()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(4096).unwrap().into_std().unwrap();
        let mut descriptors = Fds::new();
        descriptors.add(address.to_string(), listener.into_raw_fd());
        let mut service = http_proxy_service(&Arc::new(ServerConf::default()), peer);
        service.add_tcp(&address.to_string());
        let (_stay, stopped) = watch::channel(false);
        service.start_service(Some(Arc::new(Mutex::new(descriptors))), stopped, 1).await;
    });
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

/// Both run on tokio's default.
pub const WORKERS: &str = "as many as cores (tokio's default)";
