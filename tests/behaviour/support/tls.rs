//! TLS on both sides of the proxy: an authority of the test's own, a proxy that presents its certificate, callers that
//! trust it, and targets that speak HTTP/1.1 or HTTP/2 below it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use obo_proxy::server::install_crypto_provider;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::wire::{Message, Wire};
use super::{Proxy, World, configuration};

/// The name that the proxy's certificate is for.
pub const NAME: &str = "proxy.example";

/// An authority that issues certificates into a directory of its own.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: PathBuf,
}

/// A certificate and its key, in files.
pub struct Issued {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority {:016x}", fastrand::u64(..)));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(directory.join("authority.pem"), issuer.pem()).unwrap();
        Self { issuer, directory }
    }

    /// The file with the authority's own certificate.
    pub fn file(&self) -> String {
        self.directory.join("authority.pem").display().to_string()
    }

    /// The authority as those trust it that verify.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file()).unwrap()).unwrap();
        roots
    }

    /// A certificate for this name.
    pub fn issue(&self, name: &str) -> Issued {
        self.issue_with(name, |_| {})
    }

    fn issue_with(&self, name: &str, edit: impl Fn(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        edit(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |kind: &str| self.directory.join(format!("{name}-{kind}.pem"));
        let issued = Issued { certificate: file("certificate"), private_key: file("key") };
        std::fs::write(&issued.certificate, certificate.pem()).unwrap();
        std::fs::write(&issued.private_key, key.serialize_pem()).unwrap();
        issued
    }

    /// A client that trusts this authority and finds the proxy under its name.
    pub fn client(&self, proxy: &TlsProxy) -> reqwest::ClientBuilder {
        let root = reqwest::Certificate::from_pem(self.issuer.pem().as_bytes()).unwrap();
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        builder.tls_certs_only([root]).resolve(NAME, proxy.address)
    }

    /// A connection of an HTTP/2 caller to the proxy.
    pub async fn http2_caller(&self, proxy: &TlsProxy) -> h2::client::SendRequest<Bytes> {
        let (sender, connection) = h2::client::handshake(self.connect(proxy, b"h2").await).await.unwrap();
        tokio::spawn(connection);
        sender.ready().await.unwrap()
    }

    /// A connection of an HTTP/1.1 caller to the proxy.
    pub async fn http1_caller(&self, proxy: &TlsProxy) -> Wire<tokio_rustls::client::TlsStream<TcpStream>> {
        Wire::new(self.connect(proxy, b"http/1.1").await)
    }

    /// A connection to the proxy over which this protocol is spoken.
    pub async fn connect(&self, proxy: &TlsProxy, protocol: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
        let mut config = ClientConfig::builder().with_root_certificates(self.roots()).with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        let name = ServerName::try_from(NAME).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    /// What a server with a certificate for this name needs.
    pub fn server_config(&self, name: &str, protocol: &[u8]) -> ServerConfig {
        self.server_config_with(name, protocol, |_| {})
    }

    /// The same with an unusual certificate.
    pub fn server_config_with(
        &self,
        name: &str,
        protocol: &[u8],
        edit: impl Fn(&mut CertificateParams),
    ) -> ServerConfig {
        install_crypto_provider();
        let (chain, key) = self.issue_with(name, edit).chain_and_key();
        let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        config
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Issued {
    /// As a server needs them.
    pub fn chain_and_key(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = vec![CertificateDer::from_pem_file(&self.certificate).unwrap()];
        (chain, PrivateKeyDer::from_pem_file(&self.private_key).unwrap())
    }

    /// As a client presents it.
    pub fn identity(&self) -> reqwest::Identity {
        let pem = [&self.certificate, &self.private_key].map(|file| std::fs::read(file).unwrap()).concat();
        reqwest::Identity::from_pem(&pem).unwrap()
    }
}

/// A second proxy of a world, which speaks TLS.
pub struct TlsProxy {
    pub address: SocketAddr,
    /// `https://NAME:PORT`
    pub url: String,
    _proxy: Proxy,
}

impl TlsProxy {
    /// Presents a certificate of `authority`; asks callers for one of `client_ca`.
    pub async fn start(world: &World, authority: &Authority, client_ca: Option<&Authority>, routes: &str) -> Self {
        let client_ca = client_ca.map_or_else(String::new, |ca| format!(", client_ca: '{}'", ca.file()));
        Self::launch(world, authority, &client_ca, "", routes).await
    }

    /// With these lines at the top of its configuration.
    pub async fn configured(world: &World, authority: &Authority, settings: &str, routes: &str) -> Self {
        Self::launch(world, authority, "", settings, routes).await
    }

    async fn launch(world: &World, authority: &Authority, client_ca: &str, settings: &str, routes: &str) -> Self {
        let issued = authority.issue(NAME);
        let tls = format!(
            "listen: [{{address: '127.0.0.1:0', tls: {{certificate: '{}', private_key: '{}'{client_ca}}}}}]",
            issued.certificate.display(),
            issued.private_key.display()
        );
        let routes = routes.replace("{target}", world.target.url());
        let plain = configuration(world.emulator.url(), "", &routes);
        let plain = plain.replace("listen: [{address: '127.0.0.1:0'}]", &tls);
        let proxy = Proxy::start(&format!("{settings}\n{plain}")).await;
        proxy.wait_until_ready().await;
        let address: SocketAddr = proxy.address().parse().unwrap();
        Self { address, url: format!("https://{NAME}:{}", address.port()), _proxy: proxy }
    }
}

/// A target that speaks TLS.
pub struct TlsTarget {
    /// `https://localhost:PORT`
    pub url: String,
    requests: Arc<Mutex<Vec<HeaderMap>>>,
    broken_bodies: Arc<AtomicUsize>,
    _serving: Serving,
}

/// Ends with its target.
struct Serving(JoinHandle<()>);

impl TlsTarget {
    /// Speaks HTTP/1.1 with a certificate for `name`, and gives every request this answer.
    pub async fn http1(authority: &Authority, name: &str, answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::http1_on(listener, authority, name, answer)
    }

    /// As [`Self::http1`], on a socket of the test.
    pub fn http1_on(listener: TcpListener, authority: &Authority, name: &str, answer: &'static [u8]) -> Self {
        Self::start_on(listener, authority.server_config(name, b"http/1.1"), move |stream, log| async move {
            let mut wire = Wire::new(stream);
            while let Some(request) = wire.read_request().await {
                log.lock().unwrap().push(headers(&request));
                wire.write(answer).await;
            }
        })
    }

    /// Speaks HTTP/1.1 with a certificate for localhost, each connection as the test wants it.
    pub async fn wire<F>(
        authority: &Authority,
        serve: impl Fn(Wire<tokio_rustls::server::TlsStream<TcpStream>>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let config = authority.server_config("localhost", b"http/1.1");
        Self::start(config, move |stream, _| serve(Wire::new(stream))).await
    }

    /// Speaks HTTP/2 with a certificate for localhost, and answers with the body it got; below `/plain` an empty frame
    /// ends it, elsewhere trailers with `grpc-status: 5`.
    pub async fn http2(authority: &Authority) -> Self {
        let broken_bodies = Arc::<AtomicUsize>::default();
        let broken = Arc::clone(&broken_bodies);
        let target = Self::start(authority.server_config("localhost", b"h2"), move |stream, log| {
            let broken = Arc::clone(&broken);
            async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, respond))) = connection.accept().await {
                    log.lock().unwrap().push(request.headers().clone());
                    tokio::spawn(echo(request, respond, Arc::clone(&broken)));
                }
            }
        });
        Self { broken_bodies, ..target.await }
    }

    /// Serves each connection by a function of the test, which logs the header sections that count.
    pub async fn start<F>(
        config: ServerConfig,
        serve: impl Fn(tokio_rustls::server::TlsStream<TcpStream>, Arc<Mutex<Vec<HeaderMap>>>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), config, serve)
    }

    fn start_on<F>(
        listener: TcpListener,
        config: ServerConfig,
        serve: impl Fn(tokio_rustls::server::TlsStream<TcpStream>, Arc<Mutex<Vec<HeaderMap>>>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let requests = Arc::<Mutex<Vec<HeaderMap>>>::default();
        let (log, acceptor) = (Arc::clone(&requests), TlsAcceptor::from(Arc::new(config)));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A handshake that fails is the outcome that some tests want.
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serve(stream, Arc::clone(&log)));
                }
            }
        });
        Self { url, requests, broken_bodies: Arc::default(), _serving: Serving(serving) }
    }

    /// The header sections that arrived.
    pub fn requests(&self) -> Vec<HeaderMap> {
        self.requests.lock().unwrap().clone()
    }

    /// How many bodies broke off, of a target that speaks HTTP/2.
    pub fn broken_bodies(&self) -> usize {
        self.broken_bodies.load(Ordering::SeqCst)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn headers(request: &Message) -> HeaderMap {
    let fields = request.names().into_iter().filter_map(|name| {
        let value = request.values(&name).into_iter().next()?;
        Some((name.parse().unwrap(), http::HeaderValue::from_bytes(&value).unwrap()))
    });
    fields.collect()
}

async fn echo(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    broken: Arc<AtomicUsize>,
) {
    let plain = request.uri().path().ends_with("/plain");
    let mut body = request.into_body();
    let mut received = Vec::new();
    while let Some(data) = body.data().await {
        let Ok(data) = data else {
            broken.fetch_add(1, Ordering::SeqCst);
            return;
        };
        let _ = body.flow_control().release_capacity(data.len());
        received.extend_from_slice(&data);
    }
    let response = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(response, false).unwrap();
    stream.send_data(received.into(), false).unwrap();
    if plain {
        return stream.send_data(Bytes::new(), true).unwrap();
    }
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "5".parse().unwrap())]);
    stream.send_trailers(trailers).unwrap();
}
