//! Backends behind TLS: whom evenkeel believes, and what it does with those it does not.

mod believed;
mod dying;
mod failures;
mod messages;
mod places;
mod probes;
mod renewals;
mod reuse;
mod servers;
mod site;
