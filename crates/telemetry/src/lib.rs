//! What operators see: metrics and the access log.
//!
//! Nothing here is on the way of a request: a worker appends to a buffer of its own or counts in its own cell,
//! and a writer thread or a scrape does the rest.

mod access_log;
mod collect;
mod entry;
mod family;
mod files;
mod json;
pub mod names;
mod recorder;
mod registry;
mod reload;
mod standing;
mod time;
mod tls;
mod writer;

pub use access_log::{AccessLog, AccessLogTarget};
pub use entry::{ClientTls, Entry, Try};
pub use files::{FilesState, LastReading};
pub use recorder::Recorder;
pub use registry::Registry;
pub use reload::{LastReload, ReloadState};
pub use time::rfc3339;
