//! The program itself, as a child process of a benchmark runs it.

use clap::Parser;

/// `obo-proxy run`, as the program does it.
pub fn run(configuration: &str) {
    let arguments = obo_proxy::cli::Arguments::parse_from(["obo-proxy", "run", "--config", configuration]);
    if let Err(failure) = obo_proxy::cli::execute(arguments, &mut std::io::stdout()) {
        panic!("{failure}");
    }
}
