//! What an operator asks of a backend, and what is answered.

use std::fmt;

use crate::{Hold, Phase, PoolName};

/// An operator's word about one backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to do.
    pub order: Order,
    /// In which pool; `None`: in the only one that has it.
    pub pool: Option<PoolName>,
    /// Its name, or its address as written.
    pub backend: Box<str>,
    /// The user id of the process that asks.
    pub uid: u32,
}

/// What to do with a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// No new requests, but as a last resort; what is in flight goes on.
    Drain,
    /// Back to service: ends an operator's hold, the backend's own, and an ejection.
    Ready,
    /// No new requests at all; what is in flight goes on.
    Eject,
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The backend's pool.
    pub pool: PoolName,
    /// What operators call it.
    pub backend: Box<str>,
    /// Its phase now.
    pub phase: Phase,
    /// Who keeps it from requests now.
    pub hold: Hold,
    /// Whether the command changed anything.
    pub is_changed: bool,
    /// Requests in flight there.
    pub in_flight: usize,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No such pool.
    UnknownPool(PoolName),
    /// No backend with that name or address, in that pool or in any.
    UnknownBackend(Box<str>),
    /// Several pools have it: these.
    Ambiguous(Vec<PoolName>),
    /// The process is stopping.
    Stopping,
}

impl Order {
    /// Every order.
    pub const ALL: [Order; 3] = [Order::Drain, Order::Ready, Order::Eject];

    /// The word for it, on the command line, in the API and in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Drain => "drain",
            Order::Ready => "ready",
            Order::Eject => "eject",
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::UnknownPool(pool) => write!(out, "there is no pool `{pool}`"),
            CommandError::UnknownBackend(backend) => write!(out, "there is no backend `{backend}`"),
            CommandError::Ambiguous(pools) => {
                out.write_str("several pools have it:")?;
                pools.iter().try_for_each(|pool| write!(out, " `{pool}`"))
            }
            CommandError::Stopping => out.write_str("the process is stopping"),
        }
    }
}

impl std::error::Error for CommandError {}
