//! Who runs on which core, and how many descriptors there are.

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the proxy runs, alone.
const PROXY: usize = 0;
/// Where everything else runs.
const REST: usize = 1;

/// Puts this program on its core and raises its limit of descriptors, which children inherit.
pub(crate) fn prepare() {
    let cores = sched_getaffinity(None).expect("the kernel knows our cores");
    assert!(cores.is_set(PROXY) && cores.is_set(REST), "the benchmark needs cores {PROXY} and {REST}");
    pin(REST);
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("a soft limit may rise to the hard one");
}

/// Runs `start`, whose children then live on the proxy's core.
pub(crate) fn as_proxy<T>(start: impl FnOnce() -> T) -> T {
    pin(PROXY);
    let result = start();
    pin(REST);
    result
}

/// How many descriptors a process may have.
pub(crate) fn descriptors() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).expect("the core was checked to be ours");
}
