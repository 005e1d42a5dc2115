//! The table of refusals from outside: what the proxy refuses by itself, and what it says when a target fails.

mod errors;
mod identity_provider;

use http::Method;
use obo_proxy::emulator::TokenRequest;

use crate::support::log::access_line;
use crate::support::raw::RawTarget;
use crate::support::refusal::{Refusal, plain_challenge};
use crate::support::{Reply, World};

const ROUTES: &str = r"
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
  - name: narrow
    path: /narrow
    methods: [GET, PUT]
    target: '{target}'
    scopes: [api://orders-backend/Orders.Read]
    require:
      scopes: [payroll.read, payroll.write]
      roles: [Payroll.Admin]
      clients: [11112222-bbbb-3333-cccc-4444dddd5555, another-client]
  - name: impatient
    path: /impatient
    target: {url: '{target}', read_timeout: 200ms}
    scopes: [api://orders-backend/Orders.Read]
";

async fn world() -> World {
    World::with_routes(ROUTES).await
}

/// Nothing of a refused request reached anybody.
#[track_caller]
fn assert_no_side_effects(world: &World) {
    assert_eq!((world.token_requests(), world.target.total_hits()), (0, 0));
}

/// A token that `/narrow` accepts.
fn privileged() -> TokenRequest {
    TokenRequest {
        scp: Some("payroll.read payroll.write".to_owned()),
        roles: vec!["Payroll.Admin".to_owned()],
        ..TokenRequest::default()
    }
}

fn insufficient_scope(world: &World) -> Refusal {
    let parameters = ", error=\"insufficient_scope\", scope=\"payroll.read payroll.write\"";
    Refusal::new(403, "insufficient_scope", "The access token does not grant this").challenge(world, parameters)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_without_a_route_is_not_found() {
    let world = world().await;
    let reply = world.get("/ordersx/1", &world.token()).await;
    Refusal::new(404, "no_route", "No route serves this request").check(&world, &reply);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_the_route_does_not_serve_is_told_which_it_serves() {
    let world = world().await;
    let token = world.mint(&privileged());
    let reply = world.send(Method::DELETE, "/narrow", &[("authorization", &format!("Bearer {token}"))], "").await;
    let expected = Refusal::new(405, "method_not_allowed", "The route does not serve this method");
    expected.allow("GET, PUT").check(&world, &reply);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_with_two_readings_is_refused() {
    let world = world().await;
    let token = world.token();
    for path in ["/orders//1", "/orders/a%2Fb", "/orders/%2e%2E;x/1", "/orders/a;b", "/orders/a%5Cb", "/orders/%41"] {
        let reply = world.get(path, &token).await;
        Refusal::new(400, "ambiguous_request", "The request could be read in more than one way").check(&world, &reply);
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_token_is_challenged_without_an_error() {
    let world = world().await;
    let reply = world.send(Method::GET, "/orders", &[], "").await;
    Refusal::new(401, "missing_token", "The request carries no bearer token")
        .challenge(&world, "")
        .check(&world, &reply);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_challenged_with_invalid_token() {
    let world = world().await;
    let token = world.mint(&TokenRequest { lifetime: Some(-3600), ..TokenRequest::default() });
    let reply = world.get("/orders", &token).await;
    Refusal::invalid_token(&world).check(&world, &reply);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_credentials_are_challenged_with_invalid_request() {
    let world = world().await;
    let bearer = format!("Bearer {}", world.token());
    let twice = [("authorization", bearer.as_str()), ("authorization", bearer.as_str())];
    let reply = world.send(Method::GET, "/orders", &twice, "").await;
    Refusal::new(400, "ambiguous_request", "The request carries more than one credential")
        .challenge(&world, ", error=\"invalid_request\"")
        .check(&world, &reply);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_only_token_is_forbidden_without_a_challenge() {
    let world = world().await;
    let reply = world.get("/orders", &world.mint(&TokenRequest::app_only())).await;
    Refusal::new(403, "app_only_token", "The route acts on behalf of users; this token has none").check(&world, &reply);
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_all_that_is_required_is_served() {
    let world = world().await;
    let reply = world.get("/narrow", &world.mint(&privileged())).await;
    assert_eq!((reply.status.as_u16(), world.target.total_hits()), (200, 1), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_is_challenged_with_all_scopes_of_the_route() {
    let world = world().await;
    for scp in ["payroll.read", "payroll.write", "Payroll.Read payroll.write", "payroll.reader payroll.write"] {
        let token = world.mint(&TokenRequest { scp: Some(scp.to_owned()), ..privileged() });
        insufficient_scope(&world).check(&world, &world.get("/narrow", &token).await);
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_role_is_forbidden() {
    let world = world().await;
    for roles in [vec![], vec!["Payroll.Reader".to_owned()]] {
        let token = world.mint(&TokenRequest { roles, ..privileged() });
        insufficient_scope(&world).check(&world, &world.get("/narrow", &token).await);
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_listed_is_forbidden() {
    let world = world().await;
    let other = TokenRequest { azp: Some("99998888-bbbb-3333-cccc-4444dddd5555".to_owned()), ..privileged() };
    let unnamed = TokenRequest { remove: vec!["azp".to_owned()], ..privileged() };
    for request in [other, unnamed] {
        insufficient_scope(&world).check(&world, &world.get("/narrow", &world.mint(&request)).await);
    }
    assert_no_side_effects(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lacking_is_told_in_the_log_only() {
    let world = world().await;
    let token = world.mint(&TokenRequest { roles: vec![], ..privileged() });
    let reply = world.get("/narrow", &token).await;
    let line = access_line(reply.header("x-request-id")).await;
    assert_eq!(line["reason"], "token lacks role Payroll.Admin");
    assert!(!reply.text.contains("Payroll.Admin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_refuses_connections_is_a_bad_gateway() {
    // Bound and not listening: nobody else can get the port, and connections to it are refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let world = World::with_routes(&ROUTES.replace("{target}", &format!("http://{address}"))).await;
    let reply = world.get("/orders", &world.token()).await;
    Refusal::new(502, "target_unavailable", "The target cannot be reached").check(&world, &reply);
    assert!(!format!("{reply:?}").contains(&address));
    assert_eq!(world.token_requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_breaks_off_or_talks_nonsense_is_a_bad_gateway() {
    for answer in [&b""[..], b"HTTP/1.1 2", b"220 mail.internal ESMTP\r\n"] {
        let target = RawTarget::start(vec![answer.to_vec()]).await;
        let world = World::with_routes(&ROUTES.replace("{target}", &target.url)).await;
        let bearer = format!("Bearer {}", world.token());
        let reply = world.send(Method::POST, "/orders", &[("authorization", &bearer)], "order").await;
        Refusal::new(502, "target_unavailable", "The target cannot be reached").check(&world, &reply);
        assert_eq!((target.received().len(), world.token_requests()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_target_is_a_gateway_timeout() {
    let world = world().await;
    let reply = world.get("/impatient/slow/60000", &world.token()).await;
    Refusal::new(504, "target_timeout", "The target takes too long").check(&world, &reply);
    assert_eq!((world.token_requests(), world.target.total_hits()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_own_request_id_is_used() {
    let world = world().await;
    let reply = world.send(Method::GET, "/orders", &[("x-request-id", "my-own_id-7")], "").await;
    assert_eq!(
        (reply.header("x-request-id"), reply.json()["request_id"].as_str()),
        ("my-own_id-7", Some("my-own_id-7"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_head_has_the_headers_and_no_body() {
    let world = world().await;
    let head = world.send(Method::HEAD, "/orders", &[("x-request-id", "same")], "").await;
    let get = world.send(Method::GET, "/orders", &[("x-request-id", "same")], "").await;
    assert_eq!((head.status, head.text.as_str()), (get.status, ""));
    let comparable = |reply: &Reply| {
        let mut headers = reply.headers.clone();
        headers.remove("date");
        headers
    };
    assert_eq!(comparable(&head), comparable(&get));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_caller_gets_a_grpc_status_in_place_of_a_body() {
    let world = world().await;
    let (token, app) = (world.token(), world.mint(&TokenRequest::app_only()));
    for (path, authorization, status, title) in [
        ("/nowhere", format!("Bearer {token}"), "12", "No route serves this request"),
        ("/orders//1", format!("Bearer {token}"), "3", "The request could be read in more than one way"),
        ("/orders", String::new(), "16", "The request carries no bearer token"),
        ("/orders", format!("Bearer {app}"), "7", "The route acts on behalf of users; this token has none"),
        ("/impatient/slow/60000", format!("Bearer {token}"), "4", "The target takes too long"),
    ] {
        let headers = [("content-type", "application/grpc+proto"), ("authorization", authorization.as_str())];
        let reply = world.send(Method::POST, path, &headers, "").await;
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (200, ""), "{path}: {reply:?}");
        assert_eq!(reply.header("content-type"), "application/grpc+proto");
        assert_eq!((reply.header("grpc-status"), reply.header("grpc-message")), (status, title));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_caller_is_challenged_as_well() {
    let world = world().await;
    let reply = world.send(Method::POST, "/orders", &[("content-type", "application/grpc")], "").await;
    assert_eq!(reply.challenge(), plain_challenge(&world));
    assert_eq!(reply.header("access-control-expose-headers"), "WWW-Authenticate");
    assert_no_side_effects(&world);
}
