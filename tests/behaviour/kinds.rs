//! Every kind of request there is meets the same authorisation: without a good token, nothing of it reaches a target or
//! the identity provider.

use bytes::Bytes;
use http::{Request, Version};

use crate::support::World;
use crate::support::http2;
use crate::support::tls::{Authority, TlsProxy};
use crate::support::wire::{Wire, WireTarget};
use obo_proxy::emulator::TokenRequest;

const ROUTES: &str = "
  - {name: wire, path: /t, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: h2c, path: /h2c, target: {url: '{target}', http2: true}, scopes: [api://orders-backend/Orders.Read]}
";

/// Method, lines of the header section, and what follows it.
const KINDS: [(&str, &str, &str); 15] = [
    ("GET", "", ""),
    ("HEAD", "", ""),
    ("OPTIONS", "Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n", ""),
    ("DELETE", "", ""),
    ("GET", "Range: bytes=0-1\r\n", ""),
    ("GET", "Accept: text/event-stream\r\nLast-Event-ID: 7\r\n", ""),
    ("POST", "Content-Length: 4\r\n", "body"),
    ("PUT", "Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"),
    ("POST", "Content-Length: 4\r\nExpect: 100-continue\r\n", "body"),
    ("POST", "Content-Length: 4\r\nContent-Type: application/grpc-web\r\n", "body"),
    ("GET", "Connection: close\r\n", ""),
    (
        "GET",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "frames",
    ),
    ("GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", ""),
    ("POST", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n", "body"),
    ("GET", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n", ""),
];

/// Nothing, something that is no token, a token that was good once, and one of another kind.
fn wrong_credentials(world: &World) -> [String; 4] {
    let expired = world.mint(&TokenRequest { lifetime: Some(-600), ..TokenRequest::default() });
    let bearer = |token: &str| format!("Bearer {token}");
    [String::new(), bearer("junk"), bearer(&expired), "Basic eDp5".to_owned()]
}

fn plain(version: &str, method: &str, path: &str, credential: &str, lines: &str, body: &str) -> String {
    let authorization = if credential.is_empty() { String::new() } else { format!("Authorization: {credential}\r\n") };
    format!("{method} {path} HTTP/{version}\r\nHost: proxy.example\r\n{authorization}{lines}\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_of_request_passes_without_a_good_token() {
    let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let world = target.world(ROUTES).await;
    for credential in wrong_credentials(&world) {
        for (method, lines, body) in KINDS {
            for (version, path) in [("1.1", "/t/x"), ("1.1", "/h2c/x"), ("1.0", "/t/x")] {
                if version == "1.0" && lines.contains("chunked") {
                    continue;
                }
                let asked = plain(version, method, path, &credential, lines, body);
                let mut caller = Wire::connect(world.proxy.address()).await;
                caller.write(&asked).await;
                let head = String::from_utf8(caller.read_head().await.unwrap()).unwrap();
                let status = head.split(' ').nth(1);
                assert_eq!(status, Some("401"), "{asked}");
                let head = head.to_ascii_lowercase();
                assert!(head.contains("www-authenticate: bearer ") && !head.contains("upgrade:"), "{asked}{head}");
            }
        }
    }
    assert_eq!((target.connections(), world.token_requests()), (0, 0));
    // The same requests arrive once they bring a token, so that it was not for something else that they were refused.
    let good = format!("Bearer {}", world.token());
    for (method, lines, body) in KINDS {
        let mut caller = Wire::connect(world.proxy.address()).await;
        caller.write(plain("1.1", method, "/t/x", &good, lines, body)).await;
        let head = String::from_utf8(caller.read_head().await.unwrap()).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{method} {lines}{head}");
    }
    assert_eq!((target.requests(), world.token_requests()), (KINDS.len(), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_of_stream_passes_without_a_good_token() {
    let target = WireTarget::answering(&[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]).await;
    let world = target.world(ROUTES).await;
    let authority = Authority::new();
    let proxy = TlsProxy::start(&world, &authority, None, &ROUTES.replace("{target}", &target.url)).await;
    let mut caller = authority.http2_caller(&proxy).await;
    for credential in wrong_credentials(&world) {
        for (method, content_type, ends) in [
            ("GET", "", true),
            ("POST", "application/json", true),
            ("POST", "application/json", false),
            ("POST", "application/grpc", false),
            ("POST", "application/grpc+proto", true),
        ] {
            for path in ["/t/x", "/h2c/x"] {
                let mut request = Request::builder().method(method).uri(format!("{}{path}", proxy.url));
                request = request.version(Version::HTTP_2);
                for (name, value) in [("authorization", &*credential), ("content-type", content_type)] {
                    if !value.is_empty() {
                        request = request.header(name, value);
                    }
                }
                let (response, mut stream) = caller.send_request(request.body(()).unwrap(), ends).unwrap();
                if !ends {
                    // The rest of it may never come; and where the answer has ended the stream already, this does not go.
                    let _ = stream.send_data(Bytes::from_static(b"\0\0\0\0\x05begun"), false);
                }
                let answer = http2::read_answer(response).await;
                let grpc = content_type.starts_with("application/grpc");
                assert_eq!(answer.status, if grpc { 200 } else { 401 }, "{method} {content_type}");
                assert_eq!(answer.headers.get("grpc-status").is_some_and(|status| status == "16"), grpc);
                assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
            }
        }
    }
    assert_eq!((target.connections(), world.token_requests()), (0, 0));
}
