//! Connections to backends, pooled per core, and probes.
