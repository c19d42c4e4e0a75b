//! How many files and sockets may be open? As many as the system lets the process have, and connections leave some.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is kept back for stores, the log, certificates, a reload, and the admin listener.
const RESERVED: u64 = 192;

/// Raises the soft limit of descriptors to the hard one; how many there are then, `None` for no limit.
///
/// Systems set the soft limit low, at 1024 as a rule, for programs that keep sockets in the bit sets of
/// `select(2)`. Nothing here does.
pub fn raise() -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is refused, what was there stays.
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of descriptors stays as it was");
    }
    getrlimit(Resource::Nofile).current
}

/// How many of so many connections can be served: each may need another one to its upstream.
#[must_use]
pub fn connections(wanted: usize, descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return wanted };
    let room = descriptors.saturating_sub(RESERVED) / 2;
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_upstreams_and_everything_else() {
        assert_eq!(connections(10_000, None), 10_000);
        assert_eq!(connections(10_000, Some(1 << 20)), 10_000);
        assert_eq!(connections(10_000, Some(1024)), 416);
        assert_eq!(connections(10_000, Some(64)), 1);
    }
}
