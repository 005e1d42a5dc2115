//! Ways around a rule that a caller might try: another spelling of a path, a method or a header.

use http::Method;
use obo_proxy::emulator::TokenRequest;

use crate::support::log::access_line;
use crate::support::raw::{RawTarget, exchange};
use crate::support::{Reply, World};

const RULES: &str = r"
  - {name: items, path: /v1, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - {name: purge, path: '/v1/items:purge', target: '{target}', scopes: [api://orders-backend/Orders.Read], require: {roles: [admin]}}
  - {name: delete, path: /m, methods: [DELETE], target: '{target}', scopes: [api://orders-backend/Orders.Read], require: {roles: [admin]}}
  - {name: rest, path: /m, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

async fn send(world: &World, method: &str, path: &str, header: (&str, &str)) -> Reply {
    let bearer = format!("Bearer {}", world.token());
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    world.send(method, path, &[("authorization", &bearer), header], "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_spelling_takes_the_same_route() {
    let world = World::with_routes(RULES).await;
    for path in ["/v1/items:purge", "/v1/items%3Apurge", "/v1/items%3apurge/x", "/v1/items:purge/%3A"] {
        assert_eq!(world.get(path, &world.token()).await.code(), "insufficient_scope", "{path}");
    }
    assert_eq!(world.target.total_hits(), 0);
    let admin = world.mint(&TokenRequest { roles: vec!["admin".to_owned()], ..TokenRequest::default() });
    let reply = world.get("/v1/items%3Apurge/a%2Cb?c=%3A", &admin).await;
    assert_eq!((reply.json()["path"].as_str(), reply.json()["query"].as_str()), (Some("/a%2Cb"), Some("c=%3A")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_in_small_letters_is_refused() {
    let world = World::with_routes(RULES).await;
    for method in ["delete", "Delete", "trace", "get", "PATCH1"] {
        assert_eq!(send(&world, method, "/m/1", ("x-a", "b")).await.code(), "ambiguous_request", "{method}");
    }
    assert_eq!(send(&world, "TRACE", "/m/1", ("x-a", "b")).await.code(), "method_not_allowed");
    assert_eq!((world.target.total_hits(), world.token_requests()), (0, 0));
    assert_eq!(send(&world, "PROPFIND", "/m/1", ("x-a", "b")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_is_refused_wherever_the_method_decides() {
    let world = World::with_routes(RULES).await;
    for name in ["x-http-method-override", "x-http-method", "x-method-override", "x_http_method_override"] {
        assert_eq!(send(&world, "POST", "/m/1", (name, "DELETE")).await.code(), "ambiguous_request", "{name}");
    }
    assert_eq!((world.target.total_hits(), world.token_requests()), (0, 0));
    let elsewhere = send(&world, "POST", "/v1/1", ("x-http-method", "MERGE")).await;
    assert_eq!(elsewhere.status, 200, "OData tunnels methods this way");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_gateway_would_say_of_a_caller_comes_from_the_caller() {
    let world = World::start().await;
    let bearer = format!("Bearer {}", world.token());
    let names = ["x-forwarded-user", "x-forwarded-client-cert", "X_Forwarded_Groups", "x-ms-client-principal-name"];
    let more = ["x-auth-request-email", "x-rewrite-url", "x-original-host", "x-amzn-oidc-identity", "remote_user"];
    let claims = names.iter().chain(&more).map(|name| (*name, "admin"));
    let headers: Vec<_> = [("authorization", bearer.as_str())].into_iter().chain(claims).collect();
    assert_eq!(world.send(Method::GET, "/orders/1", &headers, "").await.status, 200);
    let requests = world.target.requests();
    let seen: Vec<_> = requests[0].headers.iter().filter(|(_, value)| value == "admin").collect();
    assert!(seen.is_empty(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoded_token_a_does_not_leave_either() {
    let world = World::start().await;
    let token = world.token();
    let encoded = token.replace('.', "%2E");
    let reply = world.get(&format!("/orders/1?access_token={encoded}"), &token).await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (400, "ambiguous_request"));
    assert_eq!(world.target.total_hits(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_nobody_asked_for_is_not_relayed() {
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nbytes";
    let target = RawTarget::start(vec![switch.to_vec()]).await;
    let routes = format!("\n  - {{path: /up, target: '{}', scopes: [api://orders-backend/Orders.Read]}}", target.url);
    let world = World::with_routes(&routes).await;
    let request = format!("GET /up HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\r\n", world.token());
    let answer = exchange(world.proxy.address(), request.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 502 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_which_audience_was_found() {
    let world = World::start().await;
    let token = world.mint(&TokenRequest { aud: Some("api://somebody-else".to_owned()), ..TokenRequest::default() });
    let reply = world.get("/orders/1", &token).await;
    let line = access_line(reply.header("x-request-id")).await;
    assert_eq!(line["found"], "api://somebody-else");
    assert!(!reply.text.contains("somebody-else"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_nested_encodings_is_refused() {
    let world = World::start().await;
    let path = format!("/orders/%{}", "25".repeat(3_000));
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = exchange(world.proxy.address(), request.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_target_that_does_not_take_token_b_makes_it_forgotten() {
    let refusal = b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 16\r\ncontent-length: 0\r\n\r\n";
    let target = RawTarget::start(vec![refusal.to_vec()]).await;
    let routes = format!("\n  - {{path: /rpc, target: '{}', scopes: [api://orders-backend/Orders.Read]}}", target.url);
    let world = World::with_routes(&routes).await;
    let token = world.token();
    for exchanges in 1..=2 {
        assert_eq!(world.get("/rpc/Service/Method", &token).await.header("grpc-status"), "16");
        assert_eq!(world.token_requests(), exchanges);
    }
}
