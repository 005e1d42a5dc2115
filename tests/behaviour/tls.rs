//! TLS and HTTP/2 on both sides: callers by certificate and protocol, targets by who vouches for them.

use bytes::Bytes;
use http::{Request, Version};
use reqwest::Response;

use crate::support::World;
use crate::support::tls::{Authority, NAME, TlsProxy, TlsTarget};
use crate::support::wire::{End, Message, Wire, WireTarget, request};

const ROUTES: &str = "
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A world with a second proxy that speaks TLS.
struct Scene {
    world: World,
    authority: Authority,
    proxy: TlsProxy,
    token: String,
}

impl Scene {
    async fn start(routes: &str) -> Self {
        let (world, authority) = (World::start().await, Authority::new());
        let proxy = TlsProxy::start(&world, &authority, None, routes).await;
        let token = world.token();
        Self { world, authority, proxy, token }
    }

    async fn get(&self, client: reqwest::ClientBuilder, path: &str, token: &str) -> Response {
        let url = format!("{}{path}", self.proxy.url);
        client.build().unwrap().get(url).bearer_auth(token).send().await.unwrap()
    }

    fn client(&self) -> reqwest::ClientBuilder {
        self.authority.client(&self.proxy)
    }

    /// What an HTTP/2 caller is answered: status, headers, body and trailers.
    async fn http2(&self, request: http::request::Builder, body: &'static [u8]) -> Http2Answer {
        let mut sender = self.authority.http2_caller(&self.proxy).await;
        let (response, mut stream) = sender.send_request(request.body(()).unwrap(), false).unwrap();
        stream.send_data(Bytes::from_static(body), true).unwrap();
        let response = response.await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let (mut received, mut stream) = (Vec::new(), response.into_body());
        while let Some(data) = stream.data().await {
            received.extend_from_slice(&data.unwrap());
        }
        let trailers = stream.trailers().await.unwrap().unwrap_or_default();
        Http2Answer { status, headers, body: received, trailers }
    }

    /// The start of such a request.
    fn post(&self, path: &str) -> http::request::Builder {
        let url = format!("{}{path}", self.proxy.url);
        Request::post(url).version(Version::HTTP_2).header("authorization", format!("Bearer {}", self.token))
    }
}

struct Http2Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Vec<u8>,
    trailers: http::HeaderMap,
}

/// The answer of a proxy whose only target is this one.
async fn answer_through(target: &TlsTarget, settings: &str) -> crate::support::Reply {
    let target = format!("{{url: '{}'{settings}}}", target.url);
    let world = World::with_routes(&ROUTES.replace("'{target}'", &target)).await;
    world.get("/orders/1", &world.token()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_http1_is_served() {
    let scene = Scene::start(ROUTES).await;
    let answer = scene.get(scene.client().http1_only(), "/orders/1", &scene.token).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_11));
    assert_eq!(scene.world.target.total_hits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_http2_is_served() {
    let scene = Scene::start(ROUTES).await;
    let answer = scene.get(scene.client(), "/orders/1", &scene.token).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    assert_eq!((scene.world.target.total_hits(), scene.world.target.saw_token(&scene.token)), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_trust_the_authority_does_not_connect() {
    let scene = Scene::start(ROUTES).await;
    let client = Authority::new().client(&scene.proxy).build().unwrap();
    assert!(client.get(&scene.proxy.url).send().await.unwrap_err().is_connect());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_told_of_tls_and_the_callers_host() {
    let scene = Scene::start(ROUTES).await;
    for client in [scene.client(), scene.client().http1_only()] {
        assert_eq!(scene.get(client, "/orders/1", &scene.token).await.status(), 200);
    }
    for seen in scene.world.target.requests() {
        assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
        assert!(seen.header("x-forwarded-host").unwrap().starts_with(NAME));
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("host"), Some(scene.world.target.url().trim_start_matches("http://")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_asked_for_and_accepted() {
    let (world, authority, clients) = (World::start().await, Authority::new(), Authority::new());
    let proxy = TlsProxy::start(&world, &authority, Some(&clients), ROUTES).await;
    let client = authority.client(&proxy).identity(clients.issue("caller").identity()).build().unwrap();
    let answer = client.get(format!("{}/orders/1", proxy.url)).bearer_auth(world.token()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), world.target.total_hits()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_client_certificate_of_that_authority_is_not_served() {
    let (world, authority, clients) = (World::start().await, Authority::new(), Authority::new());
    let proxy = TlsProxy::start(&world, &authority, Some(&clients), ROUTES).await;
    let without = authority.client(&proxy);
    let foreign = authority.client(&proxy).identity(Authority::new().issue("caller").identity());
    for client in [without, foreign] {
        let request = client.build().unwrap().get(format!("{}/orders/1", proxy.url)).bearer_auth(world.token());
        assert!(request.send().await.is_err());
    }
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_a_caller_of_http2() {
    let scene = Scene::start(ROUTES).await;
    let answer = scene.get(scene.client(), "/orders/1", "junk").await;
    assert_eq!((answer.status().as_u16(), answer.version()), (401, Version::HTTP_2));
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(answer.text().await.unwrap().contains("\"code\":\"invalid_token\""));
    assert_eq!(scene.world.target.total_hits(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claims_challenge_of_the_target_reaches_a_caller_of_http2() {
    let scene = Scene::start(ROUTES).await;
    let challenge = "Bearer  error=\"insufficient_claims\" ,claims=\"e30=\"";
    scene.world.target.set_challenge(vec![challenge.to_owned()]);
    let answer = scene.get(scene.client(), "/orders/challenge", &scene.token).await;
    assert_eq!((answer.status().as_u16(), answer.version()), (401, Version::HTTP_2));
    assert_eq!(answer.headers()["www-authenticate"], challenge);
    assert_eq!(scene.world.target.total_hits(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_challenges_reach_a_caller_of_http2_byte_for_byte() {
    let high: Vec<u8> = (0x80..=0xff).collect();
    let values =
        [b"bEaReR   x = \"y\" ,claims".to_vec(), [b"Bearer realm=\"", &*high, b"\""].concat(), b"Basic".to_vec()];
    let lines: Vec<u8> =
        values.iter().flat_map(|value| [b"WWW-Authenticate: ", value.as_slice(), b"\r\n"].concat()).collect();
    let answer = [b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n", &*lines, b"\r\n"].concat();
    let target = WireTarget::answering(&[&answer]).await;
    let scene = Scene::start(&ROUTES.replace("{target}", &target.url)).await;
    let answer = scene.get(scene.client(), "/orders/1", &scene.token).await;
    assert_eq!(answer.version(), Version::HTTP_2);
    let relayed: Vec<_> =
        answer.headers().get_all("www-authenticate").iter().map(http::HeaderValue::as_bytes).collect();
    assert_eq!(relayed, values);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_caller_gets_a_grpc_status_for_a_refusal() {
    let scene = Scene::start(ROUTES).await;
    let request = scene.post("/none/Call").header("content-type", "application/grpc+proto").header("te", "trailers");
    let answer = scene.http2(request, b"\0\0\0\0\0").await;
    assert_eq!((answer.status, &answer.headers["grpc-status"]), (200, &"12".parse().unwrap()));
    assert_eq!(answer.headers["content-type"], "application/grpc+proto");
    assert!(answer.body.is_empty() && answer.headers.contains_key("grpc-message"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_call_passes_from_end_to_end_with_its_trailers() {
    let targets = Authority::new();
    let target = TlsTarget::http2(&targets).await;
    let settings = format!("{{url: '{}', http2: true, ca_file: '{}'}}", target.url, targets.file());
    let scene = Scene::start(&ROUTES.replace("'{target}'", &settings)).await;
    let request = scene.post("/orders/Call").header("content-type", "application/grpc").header("te", "trailers");
    let answer = scene.http2(request, b"\0\0\0\0\x05hello").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"\0\0\0\0\x05hello"[..]));
    assert_eq!(answer.trailers.get("grpc-status").unwrap(), "5");
    let seen = &target.requests()[0];
    assert_eq!(seen.get("te").unwrap(), "trailers");
    assert!(!seen["authorization"].to_str().unwrap().contains(&scene.token));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_authorization_does_not_reach_a_target_of_http2() {
    let targets = Authority::new();
    let target = TlsTarget::http2(&targets).await;
    let settings = format!("{{url: '{}', http2: true, ca_file: '{}'}}", target.url, targets.file());
    let scene = Scene::start(&ROUTES.replace("'{target}'", &settings)).await;
    let request =
        scene.post("/orders/x").header("proxy-authorization", "Basic eDp5").header("x-forwarded-for", "6.6.6.6");
    assert_eq!(scene.http2(request, b"").await.status, 200);
    let seen = &target.requests()[0];
    assert!(!seen.contains_key("proxy-authorization"));
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_that_http2_split_reach_a_target_of_http1_joined() {
    let target = WireTarget::answering(&[OK]).await;
    let scene = Scene::start(&ROUTES.replace("{target}", &target.url)).await;
    let request = scene.post("/orders/x").header("cookie", "a=1").header("cookie", "b=2");
    assert_eq!(scene.http2(request, b"").await.status, 200);
    assert_eq!(target.only_request().values("cookie"), [b"a=1; b=2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_http2_with_two_hosts_is_refused() {
    let scene = Scene::start(ROUTES).await;
    let answer = scene.http2(scene.post("/orders/x").header("host", "other.example"), b"").await;
    assert_eq!((answer.status, scene.world.target.total_hits()), (400, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_target_is_reached_where_its_authority_is_trusted() {
    let targets = Authority::new();
    let target = TlsTarget::http1(&targets, "localhost", OK).await;
    let reply = answer_through(&target, &format!(", ca_file: '{}'", targets.file())).await;
    assert_eq!((reply.status.as_u16(), target.requests().len()), (200, 1), "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_target_of_an_unknown_authority_gives_502_and_sees_nothing() {
    let target = TlsTarget::http1(&Authority::new(), "localhost", OK).await;
    let reply = answer_through(&target, "").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (502, "target_unavailable"));
    assert!(target.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_target_under_another_name_gives_502_and_sees_nothing() {
    let targets = Authority::new();
    let target = TlsTarget::http1(&targets, "other.example", OK).await;
    let reply = answer_through(&target, &format!(", ca_file: '{}'", targets.file())).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (502, "target_unavailable"));
    assert!(target.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_last_frame_of_http2_adds_nothing_behind_an_upload() {
    let target = WireTarget::answering(&[OK]).await;
    let scene = Scene::start(&ROUTES.replace("{target}", &target.url)).await;
    for pieces in [&["body", ""][..], &[""], &["body"]].into_iter().cycle().take(12) {
        let mut sender = scene.authority.http2_caller(&scene.proxy).await;
        let (response, mut stream) = sender.send_request(scene.post("/orders/x").body(()).unwrap(), false).unwrap();
        for (number, piece) in pieces.iter().enumerate() {
            stream.send_data(Bytes::from_static(piece.as_bytes()), number + 1 == pieces.len()).unwrap();
        }
        assert_eq!(response.await.unwrap().status(), 200);
    }
    let lines: Vec<_> = target.received().iter().map(Message::start_line).collect();
    assert_eq!(lines, vec!["POST /x HTTP/1.1".to_owned(); 12]);
    assert!(target.connections() < 12, "no connection was used again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_last_frame_of_http2_adds_nothing_behind_an_answer() {
    let targets = Authority::new();
    let target = TlsTarget::http2(&targets).await;
    let settings = format!("{{url: '{}', http2: true, ca_file: '{}'}}", target.url, targets.file());
    let world = World::with_routes(&ROUTES.replace("'{target}'", &settings)).await;
    let token = world.token();
    let mut caller = Wire::connect(world.proxy.address()).await;
    for path in ["/orders/plain", "/orders/trailers"] {
        for body in ["hello", ""] {
            let upload = request("POST", path, &token, &format!("Content-Length: {}\r\n", body.len())) + body;
            let answer = caller.ask(upload).await;
            assert_eq!((answer.status(), answer.text().as_str(), answer.end), (200, body, End::Chunked), "{path}");
        }
    }
    assert_eq!(target.requests().len(), 4);
}
