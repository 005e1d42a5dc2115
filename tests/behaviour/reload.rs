//! A configuration that changes while it serves: what changes at once, what stays warm, and that nothing is lost.
#![expect(clippy::float_cmp, reason = "metrics are read as floats, and these are whole numbers")]

mod files;
mod identities;
mod load;
mod routes;

use std::path::PathBuf;

use obo_proxy::emulator::EmulatorOptions;
use obo_proxy::instance::{Outcome, Reloads};

use crate::support::{Proxy, World, configuration};

/// A world whose proxy follows a file.
pub struct Followed {
    pub world: World,
    /// The directory of the file, removed in the end.
    pub directory: PathBuf,
    reloads: Reloads,
}

impl Followed {
    /// With these routes, `{target}` being the sample target.
    pub async fn start(routes: &str) -> Self {
        let world = World::with_routes(routes).await;
        Self::around(world, "", routes).await
    }

    /// In a world that is there already, with further settings of the identity.
    pub async fn around(mut world: World, identity: &str, routes: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("reload-{:016x}", fastrand::u64(..)));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("routes.yaml");
        std::fs::write(&file, text(&world, identity, routes)).unwrap();
        let (proxy, reloads) = Proxy::following(&file).await;
        world.proxy = proxy;
        world.proxy.wait_until_ready().await;
        Self { world, directory, reloads }
    }

    /// The file that the proxy follows.
    pub fn file(&self) -> PathBuf {
        self.directory.join("routes.yaml")
    }

    /// Writes the file beside its place and moves it there, as careful operators do.
    pub fn put(&self, text: &str) {
        let fresh = self.directory.join("routes.yaml.new");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.file()).unwrap();
    }

    /// Puts a configuration with these routes into the file, and has it read.
    pub async fn change(&self, identity: &str, routes: &str) -> Outcome {
        self.change_to(&text(&self.world, identity, routes)).await
    }

    /// Puts this text into the file, and has it read.
    pub async fn change_to(&self, text: &str) -> Outcome {
        self.put(text);
        self.reloads.reload().await.unwrap()
    }

    /// What the status page says.
    pub async fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.world.proxy.admin("/status").await.1).unwrap()
    }

    /// Requests for documents and keys of the identity provider so far.
    pub fn downloads(&self) -> u64 {
        let counters = self.world.emulator.counters();
        counters.discovery_v1 + counters.discovery_v2 + counters.jwks
    }

    /// Sends a request that must be answered with this status.
    pub async fn expect(&self, path: &str, token: &str, status: u16) {
        let reply = self.world.get(path, token).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {reply:?}");
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A configuration of this world.
pub fn text(world: &World, identity: &str, routes: &str) -> String {
    configuration(world.emulator.public_url(), identity, &routes.replace("{target}", world.target.url()))
}

/// The usual world around an identity provider with these options.
pub async fn world_with(options: EmulatorOptions, routes: &str) -> World {
    World::with(options, "", routes).await
}

pub const ORDERS: &str = "
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";

pub const ORDERS_AND_PAYROLL: &str = "
  - {name: payroll, path: /payroll, target: '{target}/payroll', scopes: [api://orders-backend/Orders.Export]}
  - {name: orders, path: /orders, target: '{target}', scopes: [api://orders-backend/Orders.Read]}
";
