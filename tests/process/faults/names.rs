//! Names that do not resolve, and do later.

use std::path::PathBuf;
use std::time::Duration;

use obo_proxy::emulator::{Emulator, EmulatorOptions, SampleTarget, SampleTargetOptions};
use tokio::time::timeout;

use super::{preloaded, shows_nothing};
use crate::support::program::Program;
use crate::support::{SECRET, World, configuration, eventually, file, get};

/// What the system's resolver knows, for the programs that are told of it.
struct Names(PathBuf);

impl Names {
    fn none() -> Self {
        Self(file("127.0.0.9 unrelated.test\n"))
    }

    fn add(&self, name: &str) {
        let known = format!("{}127.0.0.1 {name}\n", std::fs::read_to_string(&self.0).unwrap());
        let next = self.0.with_extension("next");
        std::fs::write(&next, known).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }

    /// Where the library that stands in for the resolver has not noticed that its file was replaced, it is replaced again.
    async fn wait_until_ready(&self, program: &Program) {
        for _ in 0..6 {
            if timeout(Duration::from_secs(10), program.wait_until_ready()).await.is_ok() {
                return;
            }
            self.add("again.test");
        }
        panic!("never ready, whatever resolves");
    }

    async fn serve(&self, configuration: &str) -> Program {
        let library = preloaded("libnss_wrapper.so");
        let variables = [
            ("LD_PRELOAD", library.as_str()),
            ("NSS_WRAPPER_HOSTS", self.0.to_str().unwrap()),
            ("RES_OPTIONS", "timeout:1 attempts:1"),
        ];
        Program::serve_with(configuration, &variables).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_reached_as_soon_as_its_name_resolves_and_others_do_not_wait_for_it() {
    let (world, names) = (World::start().await, Names::none());
    let here = world.target.url();
    let there = here.replace("127.0.0.1", "target.test");
    let lost =
        format!("  - {{name: lost, path: /lost, target: '{there}', scopes: [api://orders-backend/Orders.Read]}}\n");
    let program = names.serve(&(world.configuration("") + &lost)).await;
    program.wait_until_ready().await;
    let token = world.token();
    let reply = program.get("/lost/1", &token).await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "target_unavailable"));
    assert_eq!(program.get("/orders/1", &token).await.status, 200);
    names.add("target.test");
    eventually("the name resolves", async || program.get("/lost/1", &token).await.status == 200).await;
    assert_eq!(program.get("/orders/1", &token).await.status, 200);
    shows_nothing(&program, &[&token]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_as_soon_as_the_identity_providers_name_resolves() {
    let (names, listener) = (Names::none(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("http://idp.test:{}", listener.local_addr().unwrap().port());
    let options = EmulatorOptions {
        client_secret: SECRET.to_owned(),
        public_url: Some(url.clone()),
        ..EmulatorOptions::default()
    };
    let emulator = Emulator::start(listener, options).await.unwrap();
    let options = SampleTargetOptions { emulator: Some(emulator.clone()), ..SampleTargetOptions::default() };
    let target = SampleTarget::start(std::net::TcpListener::bind("127.0.0.1:0").unwrap(), options).await.unwrap();
    let world = World { emulator, target };
    let plain = configuration(&url, world.target.url(), "");
    let program = names.serve(&plain.replace("    timeout: 2s", "    timeout: 2s\n    allow_http: true")).await;
    let token = world.token();
    assert_eq!(program.get("/orders/1", &token).await.code(), "idp_unavailable");
    assert_eq!(get(&format!("{}/readyz", program.admin), "").await.unwrap().status, 503);
    names.add("idp.test");
    names.wait_until_ready(&program).await;
    assert_eq!(program.get("/orders/1", &token).await.status, 200);
    shows_nothing(&program, &[&token]);
}
