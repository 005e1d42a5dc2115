//! An emulator, and the identity of the program there.

use obo_proxy::emulator::{Emulator, EmulatorOptions};
use obo_proxy::identity::Identity;
use tokio::runtime::Runtime;

pub struct Setting {
    pub runtime: Runtime,
    pub emulator: Emulator,
    pub identity: Identity,
}

pub fn setting() -> Setting {
    let runtime = Runtime::new().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let emulator = runtime.block_on(Emulator::start(listener, EmulatorOptions::default())).unwrap();
    let text = format!(
        "identities:\n  default:\n    tenant_id: 11111111-2222-3333-4444-555555555555\n    \
         client_id: 00001111-aaaa-2222-bbbb-3333cccc4444\n    authority: {}\n    \
         credential: {{client_secret: emulator-secret}}\n\
         routes: [{{path: /, target: 'http://127.0.0.1:9', grant: none}}]\n",
        emulator.url()
    );
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("micro-{}.yaml", std::process::id()));
    std::fs::write(&file, text).unwrap();
    let identity = obo_proxy::config::load(&file).unwrap().identities.remove(0);
    Setting { runtime, emulator, identity }
}
