//! Arguments, the command they name, and its exit status. The only file that prints or exits.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use obo_proxy::cli::{Arguments, Ending, execute};

/// Many small allocations on several threads: where the time of a request goes that is not spent in the kernel.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments, &mut io::stdout()) {
        Ok(Ending::Well) => ExitCode::SUCCESS,
        Ok(Ending::Refused) => ExitCode::FAILURE,
        Err(failure) => {
            // Nobody is left to tell where standard error is closed.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(failure.status())
        }
    }
}
