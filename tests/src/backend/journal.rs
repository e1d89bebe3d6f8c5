//! What arrived at a backend: every byte, by the connection on which it came.

use std::sync::Mutex;

use crate::strict;

/// Bytes of what arrived that are kept.
const KEPT: usize = 1 << 20;

/// The pieces in the order in which they arrived, each with the number of its connection.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<(usize, Vec<u8>)>,
    length: usize,
}

impl Journal {
    pub(super) fn add(&self, connection: usize, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap();
        let piece = &bytes[..bytes.len().min(KEPT - kept.length)];
        if !piece.is_empty() {
            kept.length += piece.len();
            kept.pieces.push((connection, piece.to_vec()));
        }
    }

    /// All bytes, in the order in which they arrived.
    pub(super) fn all(&self) -> Vec<u8> {
        self.0.lock().unwrap().pieces.iter().flat_map(|(_, piece)| piece.clone()).collect()
    }

    /// The bytes of each of so many connections.
    pub(super) fn by_connection(&self, connections: usize) -> Vec<Vec<u8>> {
        let mut all = vec![Vec::new(); connections];
        for (connection, piece) in &self.0.lock().unwrap().pieces {
            if let Some(bytes) = all.get_mut(*connection) {
                bytes.extend_from_slice(piece);
            }
        }
        all
    }
}

/// The targets of the whole requests on each of these connections; what is not whole is left.
///
/// # Errors
/// What is against the grammar, with the bytes of its connection.
pub(super) fn judged(connections: &[Vec<u8>]) -> Result<Vec<Vec<String>>, String> {
    let target = |request: &strict::Request| String::from_utf8_lossy(&request.head.first[1]).into_owned();
    let judge = |bytes: &Vec<u8>| match strict::requests(bytes) {
        Ok((requests, _)) => Ok(requests.iter().map(target).collect()),
        Err(fault) => Err(format!("{fault} in {:?}", String::from_utf8_lossy(bytes))),
    };
    connections.iter().map(judge).collect()
}
