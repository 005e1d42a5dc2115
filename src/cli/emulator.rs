//! `obo-proxy emulator` and `obo-proxy sample-target`.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use super::{Failure, signals};
use crate::emulator::{Emulator, EmulatorOptions, SampleTarget, SampleTargetOptions};

/// Arguments of `obo-proxy emulator`.
#[derive(Debug, clap::Args)]
pub(super) struct EmulatorArguments {
    /// The address to serve; whoever reaches it can mint tokens for any user
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8400")]
    listen: SocketAddr,
    /// How others reach it, if not by that address; issuers and documents name it
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Serve https, and leave the certificate to trust in this directory as ca.pem
    #[arg(long, value_name = "DIRECTORY")]
    tls: Option<PathBuf>,
}

/// Arguments of `obo-proxy sample-target`.
#[derive(Debug, clap::Args)]
pub(super) struct SampleTargetArguments {
    /// The address to serve
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8500")]
    listen: SocketAddr,
    /// Serve https, and leave the certificate to trust in this directory as target-ca.pem
    #[arg(long, value_name = "DIRECTORY")]
    tls: Option<PathBuf>,
}

pub(super) async fn emulator(arguments: EmulatorArguments, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let EmulatorArguments { listen, public_url, tls } = arguments;
    let options = EmulatorOptions { public_url, tls, ..EmulatorOptions::default() };
    let emulator = Emulator::start(bind(listen)?, options).await?;
    writeln!(out, "identity provider on {} (GET / lists what it can do)", emulator.url())?;
    signals::stop().await;
    Ok(())
}

pub(super) async fn sample_target(
    arguments: SampleTargetArguments,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    let options = SampleTargetOptions { tls: arguments.tls, ..SampleTargetOptions::default() };
    let target = SampleTarget::start(bind(arguments.listen)?, options).await?;
    writeln!(out, "sample target on {}", target.url())?;
    signals::stop().await;
    Ok(())
}

/// Binds an address, or says which one could not be bound.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).map_err(|cause| Failure::new(format!("failed to listen on {address}: {cause}")))
}
