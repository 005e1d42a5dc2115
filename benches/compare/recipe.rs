//! Who takes part: for each contestant its program, its configuration, and what it does with a request.

use std::path::PathBuf;

use super::installation::{of_pypi, on_path};

/// What a contestant is made of. Arguments and files may hold names between `@`.
pub struct Recipe {
    /// As it is called in tables.
    pub name: &'static str,
    /// Its directory, and how it is called on the command line.
    pub slug: &'static str,
    /// What it does with a request.
    pub does: &'static str,
    pub program: Option<PathBuf>,
    /// What makes the program tell its version; none for one that is built with this benchmark.
    pub version: &'static [&'static str],
    pub arguments: &'static [&'static str],
    /// Names and templates.
    pub files: &'static [(&'static str, &'static str)],
    pub log: Log,
    pub sends: Credential,
    /// Whether it asks the sidecar with each request.
    pub asks_sidecar: bool,
    /// Whether it has cores of its own.
    pub is_confined: bool,
}

/// Where a contestant writes a line for each request.
#[derive(PartialEq, Eq, Clone, Copy)]
pub enum Log {
    /// It has no log.
    None,
    /// To standard output, which is a file.
    Output,
    /// To `access.log` in its directory.
    File,
}

/// What the target is to receive.
#[derive(PartialEq, Eq, Clone, Copy)]
pub enum Credential {
    TokenA,
    TokenB,
    /// A token B that it acquires itself.
    OwnTokenB,
}

pub fn obo_proxy() -> Recipe {
    Recipe {
        name: OBO_PROXY,
        slug: "obo-proxy",
        does: "verifies A, swaps it for B",
        program: Some(env!("CARGO_BIN_EXE_obo-proxy").into()),
        version: &["--version"],
        arguments: &["run", "--config", "@directory@/routes.yaml"],
        files: &[("routes.yaml", include_str!("templates/obo-proxy.yaml"))],
        log: Log::Output,
        sends: Credential::TokenB,
        asks_sidecar: false,
        is_confined: false,
    }
}

/// Another build of the program.
pub fn other_build(program: &str) -> Recipe {
    Recipe {
        name: "obo-proxy, the other build",
        slug: "other",
        program: Some(program.into()),
        sends: Credential::OwnTokenB,
        ..obo_proxy()
    }
}

/// The same on cores of its own.
pub fn confined(recipe: Recipe) -> Recipe {
    let (slug, sends) = match recipe.sends {
        Credential::TokenA => ("confined-bare", Credential::TokenA),
        Credential::TokenB | Credential::OwnTokenB => ("confined-obo-proxy", Credential::OwnTokenB),
    };
    Recipe { slug, sends, is_confined: true, ..recipe }
}

/// All others.
pub fn others() -> [Recipe; 9] {
    [
        bare(),
        bare_as_pingora_does(),
        nginx(),
        nginx_with_sidecar(),
        haproxy(),
        haproxy_with_jwt(),
        envoy(),
        traefik(),
        caddy(),
    ]
}

/// Pingora that only forwards.
pub fn bare() -> Recipe {
    Recipe {
        name: BARE,
        slug: "bare",
        does: "forwards A, no log",
        program: std::env::current_exe().ok(),
        version: &[],
        arguments: &["--serve", "bare", "@listen@", "@target@"],
        files: &[],
        log: Log::None,
        sends: Credential::TokenA,
        asks_sidecar: false,
        is_confined: false,
    }
}

fn bare_as_pingora_does() -> Recipe {
    Recipe {
        name: "bare Pingora, its own server",
        slug: "bare-pingora-server",
        arguments: &["--serve", "bare-pingora-server", "@listen@", "@target@"],
        ..bare()
    }
}

fn nginx() -> Recipe {
    Recipe {
        name: NGINX,
        slug: "nginx",
        does: "forwards A",
        program: on_path("nginx"),
        version: &["-v"],
        arguments: &["-e", "stderr", "-p", "@directory@", "-c", "@directory@/nginx.conf"],
        files: &[("nginx.conf", include_str!("templates/nginx-proxy-pass.conf"))],
        log: Log::File,
        sends: Credential::TokenA,
        asks_sidecar: false,
        is_confined: false,
    }
}

fn nginx_with_sidecar() -> Recipe {
    Recipe {
        name: NGINX_WITH_SIDECAR,
        slug: "nginx-sidecar",
        does: "asks the sidecar for B",
        files: &[("nginx.conf", include_str!("templates/nginx-auth-request.conf"))],
        sends: Credential::TokenB,
        asks_sidecar: true,
        ..nginx()
    }
}

fn haproxy() -> Recipe {
    Recipe {
        name: "HAProxy",
        slug: "haproxy",
        does: "forwards A",
        program: on_path("haproxy"),
        version: &["-v"],
        arguments: &["-db", "-f", "@directory@/haproxy.cfg"],
        files: &[("haproxy.cfg", include_str!("templates/haproxy.cfg"))],
        log: Log::Output,
        sends: Credential::TokenA,
        asks_sidecar: false,
        is_confined: false,
    }
}

fn haproxy_with_jwt() -> Recipe {
    Recipe {
        name: "HAProxy, jwt_verify",
        slug: "haproxy-jwt",
        does: "verifies A, forwards it",
        files: &[("haproxy.cfg", include_str!("templates/haproxy-jwt.cfg")), ("key.pem", "@public_key@")],
        ..haproxy()
    }
}

fn envoy() -> Recipe {
    Recipe {
        name: ENVOY,
        slug: "envoy",
        does: "verifies A, asks the sidecar for B",
        program: of_pypi("envoy"),
        version: &["--version"],
        // The log is flushed each second, as with nginx; by default every ten.
        arguments: &[
            "--concurrency",
            "@workers@",
            "--use-dynamic-base-id",
            "--log-level",
            "warning",
            "--file-flush-interval-msec",
            "1000",
            "-c",
            "@directory@/envoy.yaml",
        ],
        files: &[("envoy.yaml", include_str!("templates/envoy.yaml"))],
        log: Log::File,
        sends: Credential::TokenB,
        asks_sidecar: true,
        is_confined: false,
    }
}

fn traefik() -> Recipe {
    Recipe {
        name: "Traefik, ForwardAuth + sidecar",
        slug: "traefik",
        does: "asks the sidecar for B",
        program: of_pypi("traefik"),
        version: &["version"],
        arguments: &["--configFile=@directory@/traefik.yaml"],
        files: &[
            ("traefik.yaml", include_str!("templates/traefik.yaml")),
            ("traefik-routes.yaml", include_str!("templates/traefik-routes.yaml")),
        ],
        log: Log::File,
        sends: Credential::TokenB,
        asks_sidecar: true,
        is_confined: false,
    }
}

fn caddy() -> Recipe {
    Recipe {
        name: "Caddy, forward_auth + sidecar",
        slug: "caddy",
        does: "asks the sidecar for B",
        program: of_pypi("caddy"),
        version: &["version"],
        arguments: &["run", "--adapter", "caddyfile", "--config", "@directory@/Caddyfile"],
        files: &[("Caddyfile", include_str!("templates/Caddyfile"))],
        log: Log::File,
        sends: Credential::TokenB,
        asks_sidecar: true,
        is_confined: false,
    }
}

pub const OBO_PROXY: &str = "obo-proxy";
pub const BARE: &str = "bare Pingora";
pub const NGINX: &str = "nginx, proxy_pass";
pub const NGINX_WITH_SIDECAR: &str = "nginx, auth_request + sidecar";
pub const ENVOY: &str = "Envoy, jwt_authn + ext_authz + sidecar";
