//! The corridor that a request walks.
