//! HTTP/1.1 to the letter: what must not pass, in either direction, however it arrives.

mod bodies_from_clients;
mod boundaries;
mod cases;
mod corridor_fuzz;
mod from_backends;
mod from_clients;
mod peers;
mod rig;
mod truncated;
