//! The lines that the program writes when it starts and for every request.

use crate::support::program::{Program, command};
use crate::support::{Reservation, World, eventually, file, get};
use obo_proxy::emulator::{DEFAULT_CALLER_CLIENT_ID, DEFAULT_USER_OID, TokenRequest};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_line_says_what_is_served_and_where() {
    let world = World::start().await;
    let program = world.serve("").await;
    let line = program.line_with("message", "serving").await;
    assert_eq!((line["level"].as_str(), line["routes"].as_u64()), (Some("INFO"), Some(2)));
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
    assert!(line["listen"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(line["admin"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(line["timestamp"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_tells_everything_about_a_relayed_request() {
    let world = World::start().await;
    let program = world.serve("").await;
    let reply = program.get("/orders/1?q=private", &world.token()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let line = program.line_with("message", "request").await;
    for (name, expected) in [
        ("level", "INFO"),
        ("code", ""),
        ("reason", ""),
        ("route", "orders"),
        ("method", "GET"),
        ("path", "/orders/1"),
        ("oid", DEFAULT_USER_OID),
        ("tid", crate::support::TENANT_ID),
        ("client", DEFAULT_CALLER_CLIENT_ID),
        ("token_source", "exchange"),
    ] {
        assert_eq!(line[name], expected, "{name} in {line}");
    }
    assert_eq!((line["status"].as_u64(), line["resent"].as_bool()), (Some(200), Some(false)), "{line}");
    assert_eq!(line["bytes_out"].as_u64().unwrap(), reply.text.len() as u64, "{line}");
    let (duration, target) = (line["duration_ms"].as_f64().unwrap(), line["target_ms"].as_f64().unwrap());
    assert!(target > 0.0 && target <= duration && duration < 60_000.0, "{line}");
    assert!(line["remote"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert_eq!(line["request_id"].as_str().unwrap().len(), 36, "{line}");
    assert_eq!(line["trace_id"].as_str().unwrap().len(), 32, "{line}");
    assert!(!program.stdout().contains("private"), "the query was logged");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_tells_why_a_request_was_refused() {
    let world = World::start().await;
    let program = world.serve("").await;
    let expired = world.emulator.mint(&TokenRequest { lifetime: Some(-600), ..TokenRequest::default() });
    assert_eq!(program.get("/orders/1", &expired).await.status, 401);
    let line = program.line_with("message", "request").await;
    assert_eq!((line["status"].as_u64(), line["code"].as_str()), (Some(401), Some("invalid_token")), "{line}");
    assert!(line["reason"].as_str().unwrap().contains("expired"), "{line}");
    assert_eq!((line["route"].as_str(), line["token_source"].as_str()), (Some("orders"), Some("")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_the_names_that_the_caller_gave_it() {
    let world = World::start().await;
    let program = world.serve("").await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = crate::support::client()
        .get(format!("{}/orders/1", program.url))
        .bearer_auth(world.token())
        .header("x-request-id", "ticket-17")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let line = program.line_with("message", "request").await;
    assert_eq!((line["request_id"].as_str(), line["trace_id"].as_str()), (Some("ticket-17"), Some(trace)));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_exactly_one_line_for_each_request() {
    let world = World::start().await;
    let program = world.serve("").await;
    let token = world.token();
    for path in ["/orders/1", "/orders/status/404", "/nowhere", "/payroll/1"] {
        program.get(path, &token).await;
    }
    eventually("four lines", async || program.lines_with("message", "request").len() == 4).await;
    let lines = program.lines_with("message", "request");
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 404, 404, 401]);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_lines_have_the_same_fields() {
    let world = World::start().await;
    let path = file(&world.configuration("log: {format: text}"));
    let program = Program::start(command(&["run", "--config", path.to_str().unwrap()]));
    eventually("it serves", async || program.stdout().contains(" serving ")).await;
    let text = program.stdout();
    let address = |name: &str| text.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (url, admin) = (format!("http://{}", address("listen")), format!("http://{}", address("admin")));
    eventually("it is ready", async || get(&format!("{admin}/readyz"), "").await.unwrap().status == 200).await;
    assert_eq!(get(&format!("{url}/orders/1"), &world.token()).await.unwrap().status, 200);
    eventually("a line", async || program.stdout().contains(" request ")).await;
    let text = program.stdout();
    let line = text.lines().find(|line| line.contains(" request ")).unwrap();
    assert!(line.contains("INFO"), "{line}");
    assert!(!line.contains('\u{1b}'), "colours in a pipe: {line}");
    for field in [
        "status=200",
        "code=\"\"",
        "reason=",
        "route=\"orders\"",
        "method=\"GET\"",
        "path=\"/orders/1\"",
        "oid=",
        "tid=",
        "client=",
        "token_source=\"exchange\"",
        "resent=false",
        "duration_ms=",
        "target_ms=",
        "bytes_out=",
        "remote=",
        "request_id=",
        "trace_id=",
    ] {
        assert!(line.contains(field), "{field} in {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn level_error_silences_access_lines() {
    let world = World::start().await;
    let port = Reservation::take();
    let more = format!("log: {{level: error}}\nlisten: [{{address: '{}'}}]", port.address());
    let path = file(&world.configuration(&more));
    let mut program = Program::start(command(&["run", "--config", path.to_str().unwrap()]));
    let (url, token) = (format!("http://{}/orders/1", port.address()), world.token());
    eventually("it answers", async || get(&url, &token).await.is_ok_and(|reply| reply.status == 200)).await;
    program.signal("TERM");
    assert!(program.ended().await.success());
    assert_eq!((program.stdout(), program.stderr()), (String::new(), String::new()));
}
