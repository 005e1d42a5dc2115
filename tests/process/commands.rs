//! The commands beside `run` and `check`.

use std::process::Output;

use crate::support::program::{Program, command, output};
use crate::support::{eventually, get};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn schema_prints_a_valid_json_schema() {
    let output = output(&["schema"]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    let example: serde_json::Value = serde_json::json!({
        "identities": {"default": {
            "tenant_id": crate::support::TENANT_ID, "client_id": "a", "credential": {"client_secret": "b"}
        }},
        "routes": [{"path": "/", "target": "http://127.0.0.1:1", "scopes": ["api://a/b"]}],
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&example), "{:?}", validator.iter_errors(&example).collect::<Vec<_>>());
    assert!(!validator.is_valid(&serde_json::json!({"routes": []})));
}

#[test]
fn an_unknown_command_or_option_is_a_usage_error() {
    for arguments in [&["serve"][..], &["--listen", "x"], &["run", "extra"], &["demo", "--twice"]] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains("Usage: obo-proxy"), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_says_what_each_command_does() {
    for (arguments, words) in [
        (&["--help"][..], &["swaps the caller's access token", "OBO_PROXY_CONFIG", "routes.yaml"][..]),
        (&["run", "--help"], &["Serve the routes of the configuration"]),
        (&["check", "--help"], &["Check the configuration", "line and column"]),
        (&["explain", "--help"], &["what the proxy would do with a request, and why", "--token-file", "--online"]),
        (&["schema", "--help"], &["JSON Schema"]),
        (&["demo", "--help"], &["walk through the flow", "--once"]),
        (&["emulator", "--help"], &["identity provider", "--listen", "--public-url"]),
        (&["sample-target", "--help"], &["sample target", "--listen"]),
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        for word in words {
            assert!(text(&output.stdout).contains(word), "{word:?} in {arguments:?}: {}", text(&output.stdout));
        }
    }
    let version = output(&["--version"]);
    assert_eq!(text(&version.stdout), concat!("obo-proxy ", env!("CARGO_PKG_VERSION"), "\n"));
}

fn assert_every_step_went_well(output: &Output) {
    let story = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{story}\n{}", text(&output.stderr));
    assert!(!story.contains("FAILED") && output.stderr.is_empty(), "{story}");
    for step in 1..=5 {
        let own =
            story.split(&format!("\n{step}. ")).nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
        assert!(own.contains("\n   ok "), "step {step}: {own}");
    }
}

/// The second of two cannot have the well-known ports, and neither may fail because of it.
#[tokio::test(flavor = "multi_thread")]
async fn two_demos_at_once_take_every_step() {
    let demo = || tokio::task::spawn_blocking(|| output(&["demo", "--once"]));
    let (one, other) = (demo(), demo());
    assert_every_step_went_well(&one.await.unwrap());
    assert_every_step_went_well(&other.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_stays_up_until_it_is_told_to_leave() {
    let mut demo = Program::start(command(&["demo"]));
    eventually("the walk is over", async || demo.stdout().contains("stays up until")).await;
    assert!(demo.is_running());
    let story = demo.stdout();
    let address = |name: &str| {
        let line = story.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().last().unwrap_or_default().to_owned()
    };
    let minted = get(&format!("{}/emulator/tokens?format=text", address("identity provider")), "").await.unwrap();
    let reply = get(&format!("{}/orders/1", address("obo-proxy")), minted.text.trim()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(get(&format!("{}/readyz", address("admin")), "").await.unwrap().status, 200);
    demo.signal("INT");
    assert_eq!(demo.ended().await.code(), Some(0), "{}", demo.stderr());
}

async fn serves(arguments: &[&str], path: &str, expected: &str) {
    let mut program = Program::start(command(arguments));
    eventually("it says where", async || program.stdout().contains('\n')).await;
    let line = program.stdout();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert!(!url.ends_with(":0"), "{line}");
    let reply = get(&format!("{url}{path}"), "").await.unwrap();
    assert_eq!(reply.status, 200);
    assert!(reply.text.contains(expected), "{}", reply.text);
    program.signal("TERM");
    assert_eq!(program.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulator_serves_where_it_says() {
    serves(&["emulator", "--listen", "127.0.0.1:0"], "/", "/emulator/tokens").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_target_serves_where_it_says() {
    serves(&["sample-target", "--listen", "127.0.0.1:0"], "/any/path", "/any/path").await;
}

#[test]
fn a_taken_port_of_the_emulator_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["emulator", "sample-target"] {
        let output = output(&[command, "--listen", &address]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).starts_with(&format!("obo-proxy: failed to listen on {address}: ")));
        assert!(output.stdout.is_empty());
    }
}
