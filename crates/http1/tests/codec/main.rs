//! The codec as its users see it: bytes in, heads and bodies out, in tables of what passes and what does not.

mod bodies;
mod delivery;
mod fuzz;
mod reasons;
mod request_framing;
mod requests;
mod responses;
mod splits;
mod written;
