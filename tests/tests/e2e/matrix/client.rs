//! The client's side of a cell: one request, and what came of it.

use std::io;
use std::net::{Shutdown, SocketAddr};

use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client::Client;
use evenkeel_tests::response::Response;
use evenkeel_tests::wait;

use super::cells::{Cell, Kind};
use super::lines::Papers;
use super::row::{Asking, Ending, Row};
use super::stage::Stage;

/// Larger than what is kept for a second attempt.
const LARGE: usize = 256 * 1024;
/// More than the kernel takes on all sockets between client and backend.
const HUGE: usize = 12 * 1024 * 1024;

/// What the client saw.
pub(super) enum Seen {
    Response(Response),
    /// Everything up to the end of the connection, and how that was.
    Ended(String, io::Result<()>),
    Left,
    Nothing(io::Error),
}

/// Asks once, on a connection of its own.
pub(super) fn ask(
    address: SocketAddr,
    papers: &Papers,
    row: &Row,
    cell: Cell,
    target: &str,
    stage: &Stage,
) -> Seen {
    let mut client = papers.connect(address);
    let body = body(row, cell);
    let head = head(row, cell, target, body.len());
    let is_sent = client.try_send(head.as_bytes());
    if let Err(error) = is_sent {
        return Seen::Nothing(error);
    }
    if row.ending == Ending::Left {
        let _ = client.try_send(&body);
        return leave(client, cell, target, stage);
    }
    // A large body may find nobody who reads it.
    client.send_beside(body);
    let seen = match row.ending {
        Ending::Broken => until_the_end(&mut client, target, stage),
        Ending::Told | Ending::Relayed | Ending::Left => match client.try_response(cell.kind.method()) {
            Ok(response) => Seen::Response(response),
            Err(error) => Seen::Nothing(error),
        },
    };
    stage.note_answered(target);
    let _ = client.stream().shutdown(Shutdown::Both);
    seen
}

fn head(row: &Row, cell: Cell, target: &str, length: usize) -> String {
    let mut head = format!("{} {target} HTTP/1.1\r\nHost: test.example\r\n", cell.kind.method());
    // An answer without an end is ended by the close.
    if row.ending == Ending::Broken {
        head.push_str("Connection: close\r\n");
    }
    match row.asking {
        Asking::BadChunk => head.push_str("Transfer-Encoding: chunked\r\n"),
        Asking::TooMuch => head.push_str("Content-Length: 2000000\r\n"),
        _ if length > 0 => head.push_str(&format!("Content-Length: {length}\r\n")),
        _ => {}
    }
    head + "\r\n"
}

fn body(row: &Row, cell: Cell) -> Vec<u8> {
    match (row.asking, cell.kind) {
        (Asking::BadChunk, _) => b"5\r\nhello\r\nZZ\r\n".to_vec(),
        (Asking::TooMuch, _) | (_, Kind::Get) => Vec::new(),
        (Asking::Hugely, _) => vec![b'x'; HUGE],
        (_, Kind::LargePut) => vec![b'x'; LARGE],
        (_, Kind::SmallPut | Kind::Post) => b"small body".to_vec(),
    }
}

/// Reads to the end of the connection; whoever waits for the client to have the head is told when it has.
fn until_the_end(client: &mut Client, target: &str, stage: &Stage) -> Seen {
    let mut bytes = Vec::new();
    let end = client.rest_into(|piece| {
        bytes.extend_from_slice(piece);
        if bytes.windows(4).any(|window| window == b"half") {
            stage.note_answered(target);
        }
    });
    Seen::Ended(String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// Leaves as soon as a bad backend has the request, or reads what a good one answers.
fn leave(mut client: Client, cell: Cell, target: &str, stage: &Stage) -> Seen {
    wait::until_true(SOON, "the request to arrive", || !stage.delivered(target).is_empty());
    if !stage.is_at_a_bad_one(target) {
        return match client.try_response(cell.kind.method()) {
            Ok(response) => Seen::Response(response),
            Err(error) => Seen::Nothing(error),
        };
    }
    drop(client);
    stage.wait_until_closed(target);
    Seen::Left
}
