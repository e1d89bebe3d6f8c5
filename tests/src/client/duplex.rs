//! Sending while reading, on one thread: a large body may find nobody who reads it before there is an answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ClientConnection;

use crate::nonblocking::is_not_yet;

/// Most that is encrypted at once.
const PIECE: usize = 16 * 1024;

/// What is still to be sent. What cannot be sent is left, as what the peer says tells more.
pub(super) struct Pending {
    bytes: Vec<u8>,
    sent: usize,
}

impl Pending {
    pub(super) fn new(bytes: Vec<u8>) -> Pending {
        Pending { bytes, sent: 0 }
    }

    /// Reads, and sends what can be sent until there is something.
    pub(super) fn read(
        &mut self,
        stream: &mut TcpStream,
        tls: Option<&mut ClientConnection>,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> io::Result<usize> {
        stream.set_nonblocking(true)?;
        let read = match tls {
            None => self.read_plain(stream, buffer, deadline),
            Some(tls) => self.read_tls(stream, tls, buffer, deadline),
        };
        stream.set_nonblocking(false)?;
        read
    }

    fn read_plain(
        &mut self,
        stream: &mut TcpStream,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> io::Result<usize> {
        loop {
            match stream.read(buffer) {
                Err(error) if is_not_yet(&error) => {}
                read => return read,
            }
            if wait(stream, self.sent < self.bytes.len(), deadline)? {
                match stream.write(&self.bytes[self.sent..]) {
                    Ok(written) => self.sent += written,
                    Err(error) if is_not_yet(&error) => {}
                    Err(_) => self.sent = self.bytes.len(),
                }
            }
        }
    }

    fn read_tls(
        &mut self,
        stream: &mut TcpStream,
        tls: &mut ClientConnection,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> io::Result<usize> {
        let mut is_broken = false;
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            match tls.read_tls(stream) {
                Ok(_) => {
                    tls.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) if is_not_yet(&error) => {
                    let has_more = tls.wants_write() || self.sent < self.bytes.len();
                    if wait(stream, has_more && !is_broken, deadline)? {
                        is_broken |= self.write_tls(stream, tls).is_err();
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn write_tls(&mut self, stream: &mut TcpStream, tls: &mut ClientConnection) -> io::Result<()> {
        if !tls.wants_write() {
            let piece = &self.bytes[self.sent..];
            let piece = &piece[..piece.len().min(PIECE)];
            tls.writer().write_all(piece)?;
            self.sent += piece.len();
        }
        match tls.write_tls(stream) {
            Err(error) if !is_not_yet(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Waits until there is something to read, or to write if that is wanted; whether it can be written.
fn wait(stream: &TcpStream, is_writing: bool, deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    let wanted = if is_writing { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
    let mut one = [PollFd::new(stream, wanted)];
    if left.is_zero() || poll(&mut one, Some(&timespec(left)))? == 0 {
        return Err(io::Error::new(ErrorKind::TimedOut, "out of patience"));
    }
    Ok(one[0].revents().contains(PollFlags::OUT))
}

fn timespec(length: Duration) -> Timespec {
    Timespec { tv_sec: length.as_secs() as i64, tv_nsec: length.subsec_nanos().into() }
}
