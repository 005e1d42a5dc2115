//! docker-compose.yml: that it parses, and that its commands and variables are those of the program.

use std::collections::BTreeMap;

use clap::Parser;
use obo_proxy::cli::Arguments;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
struct Service {
    image: String,
    build: Build,
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Build {
    context: String,
    dockerfile_inline: String,
}

fn compose() -> Compose {
    let text = include_str!("../../docker-compose.yml");
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn every_service_runs_a_command_of_the_program_from_one_image() {
    let services = compose().services;
    assert_eq!(services.keys().collect::<Vec<_>>(), ["emulator", "proxy", "target"]);
    for (name, service) in services {
        let words = ["obo-proxy".to_owned()].into_iter().chain(service.command);
        assert!(Arguments::try_parse_from(words).is_ok(), "{name}");
        assert_eq!((service.image.as_str(), service.build.context.as_str()), ("obo-proxy", "."));
        assert!(service.build.dockerfile_inline.contains("ENTRYPOINT [\"obo-proxy\"]"), "{name}");
    }
}

#[test]
fn the_others_share_the_loopback_of_the_proxy_and_only_this_machine_reaches_it() {
    let services = compose().services;
    for name in ["emulator", "target"] {
        assert_eq!(services[name].rest["network_mode"], "service:proxy", "{name}");
    }
    for port in services["proxy"].rest["ports"].as_array().unwrap() {
        assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{port}");
    }
}

#[test]
fn the_variables_are_those_of_the_example() {
    let example = include_str!("../../routes.yaml");
    let environment = &compose().services["proxy"].environment;
    assert!(!environment.is_empty());
    for name in environment.keys() {
        assert!(example.contains(&format!("${{{name}:-")), "{name}");
    }
}
