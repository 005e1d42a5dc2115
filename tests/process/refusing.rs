//! What cannot work is said in a line per finding on standard error, with exit status 1 and nothing else.

use std::process::Output;

use crate::support::program::{command, output};
use crate::support::{SECRET, configuration, file};

/// The lines on standard error of a command that failed as it should.
fn complaints(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(text.ends_with('\n'), "{text}");
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE") && !text.contains(SECRET), "{text}");
    text.lines().map(str::to_owned).collect()
}

fn run(configuration: &str) -> Output {
    output(&["run", "--config", file(configuration).to_str().unwrap()])
}

fn check(configuration: &str) -> Output {
    output(&["check", "--config", file(configuration).to_str().unwrap()])
}

fn plain(more: &str) -> String {
    configuration("http://127.0.0.1:9", "http://127.0.0.1:9", more)
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let lines = complaints(&run(&plain(&format!("listen: [{{address: '{address}'}}]"))));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("obo-proxy: failed to listen on {address}: ")), "{lines:?}");
    let lines = complaints(&run(&plain(&format!("admin: {{address: '{address}'}}"))));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("obo-proxy: failed to listen on {address} (admin): ")), "{lines:?}");
}

#[test]
fn an_address_of_another_machine_is_named() {
    // TEST-NET-1 (RFC 5737): no interface has it.
    let lines = complaints(&run(&plain("listen: [{address: '192.0.2.1:8080'}]")));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("192.0.2.1:8080"), "{lines:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for name in ["no-such-file.yaml", "."] {
        for command in ["run", "check"] {
            let lines = complaints(&output(&[command, "--config", name]));
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with(&format!("{name}: error: the file cannot be read")), "{lines:?}");
        }
    }
}

#[test]
fn a_bad_file_gets_one_line_per_finding_with_its_place() {
    let bad = plain("drain_timeout: soon\nlog: {level: loud}\nretries: 3").replace("path: /payroll", "path: payroll");
    for output in [run(&bad), check(&bad)] {
        let lines = complaints(&output);
        assert_eq!(lines.len(), 4, "{lines:#?}");
        for line in &lines {
            let place: Vec<_> = line.split(".yaml:").nth(1).unwrap().splitn(3, ':').collect();
            assert!(place[0].parse::<u32>().is_ok() && place[1].parse::<u32>().is_ok(), "{line}");
            assert!(line.contains("; accepted: "), "{line}");
        }
    }
}

#[test]
fn what_a_route_refers_to_must_exist() {
    let unknown = plain("").replace("name: orders,", "name: orders, identity: defualt,");
    let lines = complaints(&run(&unknown));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("unknown identity \"defualt\"") && lines[0].contains("did you mean"), "{lines:?}");
    let unset = plain("").replace(SECRET, "'${NO_SUCH_VARIABLE}'");
    let lines = complaints(&run(&unset));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("NO_SUCH_VARIABLE"), "{lines:?}");
    let missing = plain("listen: [{address: '127.0.0.1:0', tls: {certificate: no.pem, private_key: no.key}}]");
    let lines = complaints(&run(&missing));
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("no.pem") && lines[1].contains("no.key"), "{lines:?}");
}

#[test]
fn two_routes_for_the_same_requests_are_refused() {
    let lines = complaints(&run(&plain("").replace("path: /payroll", "path: /orders")));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn what_is_no_yaml_is_one_finding() {
    for text in ["", "a: [", "\t", "- - -", "{{{{", "routes: *a", "\u{feff}"] {
        assert!(!complaints(&check(text)).is_empty(), "{text:?}");
    }
    let path = file("");
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert_eq!(complaints(&output(&["check", "--config", path.to_str().unwrap()])).len(), 1);
}

#[test]
fn check_says_ok_and_binds_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let good = plain(&format!("listen: [{{address: '{}'}}]", taken.local_addr().unwrap()));
    let output = check(&good);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    assert!(text.ends_with(".yaml: ok (2 routes, 1 identities)\n"), "{text}");
}

#[test]
fn the_configuration_can_be_named_by_a_variable() {
    let good = file(&plain(""));
    let output = command(&["check"]).env("OBO_PROXY_CONFIG", &good).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = command(&["check", "-c", "no-such-file.yaml"]).env("OBO_PROXY_CONFIG", &good).output().unwrap();
    assert!(complaints(&output)[0].starts_with("no-such-file.yaml"), "the argument outranks the variable");
}

#[test]
fn without_a_command_it_runs() {
    let lines = complaints(&output(&["--config", "no-such-file.yaml"]));
    assert!(lines[0].starts_with("no-such-file.yaml: error"), "{lines:?}");
}
