//! One HTTP/1.1 message: bytes in and bytes out, no I/O.
//!
//! Both sides of the proxy stand on this codec. Framing is decided here, once, from the raw fields, before anything
//! is normalised; what could be read in two ways is refused. httparse only tokenises, and the chunk decoder is ours.
//!
//! - [`RequestHead`] and [`ResponseHead`] read heads into spans over the caller's buffer, without allocating once
//!   they are warm.
//! - [`BodyDecoder`] decodes a body in place, wherever the reads happen to cut it.
//! - [`HeadWriter`] and [`ChunkHeader`] write.

mod authority;
mod bad_response;
mod body;
mod chunked;
mod connection;
mod field;
mod framing;
mod known;
mod limits;
mod message;
mod method;
mod reason;
mod refusal;
mod repair;
mod request;
mod response;
mod search;
mod span;
mod target;
mod tokens;
mod trailers;
mod write;

pub use authority::authority;
pub use bad_response::BadResponse;
pub use body::{BadBody, BodyDecoder, Decoded};
pub use field::Field;
pub use known::Known;
pub use limits::{HeadLimits, MAX_FIELDS};
pub use message::{BodyKind, Version};
pub use method::Method;
pub use reason::reason;
pub use refusal::Refusal;
pub use request::RequestHead;
pub use response::ResponseHead;
pub use span::Span;
pub use write::{CHUNK_END, ChunkHeader, HeadWriter, LAST_CHUNK, LAST_CHUNK_START};
