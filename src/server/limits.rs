//! What the system lets this process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of files and connections that this process may have open to what it may allow itself, and returns
/// that number; `None` where there is no bound. Each request takes two connections, and the usual start value is 1024.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, the old limit stays, and its number is what is returned.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if raised.is_ok() { limit.maximum } else { limit.current }
}
