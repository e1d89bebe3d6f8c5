//! Who is who: pools by name, backends by pool and address as written.
//!
//! Weight and position are no part of an identity, so reweighting or reordering forgets nothing.

use std::fmt;
use std::sync::Arc;

use crate::Address;

/// A pool's name; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolName(Arc<str>);

/// What stays the same about a backend over reloads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackendId {
    /// The pool it belongs to; the same address in two pools is two backends.
    pub pool: PoolName,
    /// The address as written.
    pub address: Address,
}

impl PoolName {
    /// Takes any text; `config` has checked it.
    pub fn new(name: &str) -> Self {
        PoolName(name.into())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for BackendId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.pool, self.address)
    }
}
