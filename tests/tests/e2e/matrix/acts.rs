//! What bad backends do with a request whose head they have read. An error ends the connection.

use std::io::{self, ErrorKind};

use evenkeel_tests::raw::Connection;
use evenkeel_tests::request::Request;

use super::stage::Stage;

/// What a backend does with one request.
pub(super) type Act = fn(&mut Connection, &mut Request, &Stage) -> io::Result<()>;

/// Ends the connection.
fn end() -> io::Result<()> {
    Err(ErrorKind::ConnectionAborted.into())
}

/// As a good backend does.
pub(super) fn answer(connection: &mut Connection, request: &mut Request, _: &Stage) -> io::Result<()> {
    connection.body_into(request, |_| {})?;
    let body = format!("{} {}", request.method, request.target);
    connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// These bytes, and on.
pub(super) fn say(connection: &mut Connection, request: &mut Request, bytes: &str) -> io::Result<()> {
    connection.body_into(request, |_| {})?;
    connection.send(bytes)
}

/// These bytes and the end in one segment.
pub(super) fn say_last(connection: &mut Connection, request: &mut Request, bytes: &str) -> io::Result<()> {
    connection.body_into(request, |_| {})?;
    connection.send_last(bytes)?;
    end()
}

pub(super) fn close(connection: &mut Connection, request: &mut Request, _: &Stage) -> io::Result<()> {
    connection.body_into(request, |_| {})?;
    end()
}

pub(super) fn reset(connection: &mut Connection, request: &mut Request, _: &Stage) -> io::Result<()> {
    connection.body_into(request, |_| {})?;
    connection.reset()?;
    end()
}

pub(super) fn close_if_reused(
    connection: &mut Connection,
    request: &mut Request,
    stage: &Stage,
) -> io::Result<()> {
    let act = if connection.requests > 1 { close } else { answer };
    act(connection, request, stage)
}

pub(super) fn reset_if_reused(
    connection: &mut Connection,
    request: &mut Request,
    stage: &Stage,
) -> io::Result<()> {
    let act = if connection.requests > 1 { reset } else { answer };
    act(connection, request, stage)
}

/// Says that the idle connection had been idle for too long, although a request has arrived.
pub(super) fn late_408_if_reused(
    connection: &mut Connection,
    request: &mut Request,
    stage: &Stage,
) -> io::Result<()> {
    if connection.requests == 1 {
        return answer(connection, request, stage);
    }
    say_last(connection, request, "HTTP/1.1 408 Late\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Leaves the body in the kernel, until the client has its answer.
pub(super) fn read_nothing(_: &mut Connection, request: &mut Request, stage: &Stage) -> io::Result<()> {
    stage.wait_for_client(&request.target);
    end()
}

/// Answers before the body has come, and reads on.
pub(super) fn refuse_early(connection: &mut Connection, _: &mut Request, _: &Stage) -> io::Result<()> {
    connection.send("HTTP/1.1 413 Own\r\nConnection: close\r\nContent-Length: 3\r\n\r\nown")?;
    connection.finish()?;
    end()
}

pub(super) fn large_head(connection: &mut Connection, request: &mut Request, _: &Stage) -> io::Result<()> {
    let field = "x".repeat(4096);
    say(connection, request, &format!("HTTP/1.1 200 OK\r\nX-Large: {field}\r\nContent-Length: 0\r\n\r\n"))
}

/// Never answers; notes that the proxy has closed.
pub(super) fn hang(connection: &mut Connection, request: &mut Request, stage: &Stage) -> io::Result<()> {
    connection.body_into(request, |_| {})?;
    let ended = connection.drain();
    stage.note_closed(&request.target);
    ended
}

const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
const CHUNK: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";

pub(super) fn cut_length(
    connection: &mut Connection,
    request: &mut Request,
    stage: &Stage,
) -> io::Result<()> {
    say(connection, request, HALF)?;
    stage.wait_for_client(&request.target);
    end()
}

pub(super) fn cut_chunked(
    connection: &mut Connection,
    request: &mut Request,
    stage: &Stage,
) -> io::Result<()> {
    say(connection, request, CHUNK)?;
    stage.wait_for_client(&request.target);
    end()
}

/// A body whose end nothing but the connection's end could show.
pub(super) fn cut_endless(
    connection: &mut Connection,
    request: &mut Request,
    stage: &Stage,
) -> io::Result<()> {
    say(connection, request, "HTTP/1.1 200 OK\r\n\r\nhalf")?;
    stage.wait_for_client(&request.target);
    end()
}

pub(super) fn stop_midway(connection: &mut Connection, request: &mut Request, _: &Stage) -> io::Result<()> {
    say(connection, request, HALF)?;
    connection.drain()
}

pub(super) fn bad_chunk(connection: &mut Connection, request: &mut Request, stage: &Stage) -> io::Result<()> {
    say(connection, request, CHUNK)?;
    stage.wait_for_client(&request.target);
    connection.send("ZZ\r\n")?;
    connection.drain()
}
