//! A client's TLS handshake: bytes as they come, and each step of computing in its turn.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use evenkeel_model::HandshakeFailure;
use evenkeel_tls::{Error, PeerIncompatible, Session, Step};
use evenkeel_upstream::{Alarm, Broken, Handshake, Socket};

use crate::core::Core;
use crate::lobby::{Seat, Wait};

/// Longest method that is looked for in what may be plain HTTP.
const LONGEST_METHOD: usize = 24;

/// Largest record, as its header says it (RFC 5246, section 6.2.3).
const LONGEST_RECORD: usize = (1 << 14) + 2048;

/// Why there is no connection.
pub(crate) enum Failed {
    /// It was cut for this, or the client is gone.
    Cut(HandshakeFailure),
    /// The client went away before it said anything, like one that only looks whether the port is open.
    Silent,
    /// The client speaks HTTP; so far, this.
    PlainHttp(Socket, Vec<u8>),
    /// TLS failed, and the client was told why.
    Tls(HandshakeFailure, String, Socket),
    /// A bug of ours.
    Panicked,
}

/// Shakes hands, until `alarm` rings or another one takes the seat.
pub(crate) async fn shake_hands(
    core: &Core,
    handshake: Handshake,
    seat: &Seat,
    alarm: &Alarm,
) -> Result<Socket, Failed> {
    let mut steps = pin!(steps(core, handshake, seat));
    poll_fn(|cx| {
        match catch_unwind(AssertUnwindSafe(|| steps.as_mut().poll(cx))) {
            Ok(Poll::Ready(ended)) => return Poll::Ready(ended),
            Ok(Poll::Pending) => {}
            Err(_) => return Poll::Ready(Err(Failed::Panicked)),
        }
        if seat.poll_displaced(cx) {
            return Poll::Ready(Err(Failed::Cut(HandshakeFailure::Displaced)));
        }
        match alarm.poll_passed(cx) {
            true => Poll::Ready(Err(Failed::Cut(HandshakeFailure::Timeout))),
            false => Poll::Pending,
        }
    })
    .await
}

async fn steps(core: &Core, mut handshake: Handshake, seat: &Seat) -> Result<Socket, Failed> {
    seat.waits_for(Wait::Idle, Instant::now());
    loop {
        let received = poll_fn(|cx| handshake.poll_receive(cx)).await;
        if let Err(broken) = received {
            return Err(Failed::of(broken, handshake));
        }
        match Look::at(handshake.session()) {
            Look::Part => continue,
            Look::Record => {}
            Look::Http => {
                let (socket, unread) = handshake.give_up();
                return Err(Failed::PlainHttp(socket, unread));
            }
            Look::Other => {
                // rustls has an alert for it, and computes nothing.
                return Err(match handshake.step() {
                    Err(error) => Failed::told(HandshakeFailure::NotTls, error, handshake),
                    Ok(_) => Failed::Cut(HandshakeFailure::NotTls),
                });
            }
        }
        seat.waits_for(Wait::Turn, Instant::now());
        let turn = core.turnstile.turn().await;
        // For a client that has left meanwhile nothing is computed.
        if !handshake.session().has_hello()
            && let Poll::Ready(Err(broken)) = poll_once(|cx| handshake.poll_receive(cx))
        {
            return Err(Failed::of(broken, handshake));
        }
        let stepped = handshake.step();
        #[cfg(test)]
        assert!(handshake.session().server_name() != Some("panic.test"), "a test wants this to panic");
        drop(turn);
        let has_computed = handshake.session().has_hello();
        match stepped {
            Ok(Step::Blocked) => {}
            Ok(Step::Done) => {
                // What does not fit yet goes with what comes next.
                let _ = poll_once(|cx| handshake.poll_send(cx));
                return Ok(handshake.finish());
            }
            Err(error) => return Err(Failed::told(why(&error, handshake.session()), error, handshake)),
        }
        seat.waits_for(if has_computed { Wait::Answer } else { Wait::Idle }, Instant::now());
        if poll_fn(|cx| handshake.poll_send(cx)).await.is_err() {
            return Err(Failed::Cut(HandshakeFailure::Closed));
        }
    }
}

fn poll_once<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(Waker::noop()))
}

impl Failed {
    fn of(broken: Broken, handshake: Handshake) -> Failed {
        match broken {
            Broken::Tls(error) => Failed::told(HandshakeFailure::Malformed, error, handshake),
            Broken::Closed | Broken::Io(_) => {
                let session = handshake.session();
                match session.has_hello() || !session.unread().is_empty() {
                    true => Failed::Cut(HandshakeFailure::Closed),
                    false => Failed::Silent,
                }
            }
        }
    }

    /// Sends the alert that says so: it fits, or the client has not read for a while.
    fn told(why: HandshakeFailure, error: Error, mut handshake: Handshake) -> Failed {
        let _ = poll_once(|cx| handshake.poll_send(cx));
        let what = match &error {
            // rustls misses the extension before it looks at the version.
            Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired) => {
                "the client speaks TLS 1.1 or older".to_owned()
            }
            other => other.to_string(),
        };
        let text = match (why, handshake.session().server_name()) {
            (HandshakeFailure::UnknownName, Some(name)) => format!("no certificate is for {name}"),
            (_, Some(name)) => format!("{what}; the client asked for {name}"),
            (_, None) => what,
        };
        Failed::Tls(why, text, handshake.give_up().0)
    }
}

/// Whose mistake a failure is.
fn why(error: &Error, session: &Session) -> HandshakeFailure {
    match error {
        _ if session.is_unknown_name() => HandshakeFailure::UnknownName,
        Error::NoCertificatesPresented => HandshakeFailure::NoCertificate,
        Error::InvalidCertificate(_) | Error::InvalidCertRevocationList(_) => {
            HandshakeFailure::BadCertificate
        }
        Error::AlertReceived(_) => HandshakeFailure::Alert,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => HandshakeFailure::NothingInCommon,
        _ => HandshakeFailure::Malformed,
    }
}

/// What has come and was not understood yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Not enough to go on.
    Part,
    /// A whole record, or what rustls refuses.
    Record,
    /// A method, and a space behind it.
    Http,
    /// Neither TLS nor HTTP.
    Other,
}

impl Look {
    fn at(session: &Session) -> Look {
        let unread = session.unread();
        match session.has_hello() {
            true => Look::at_record(unread),
            false => Look::at_first(unread),
        }
    }

    fn at_first(bytes: &[u8]) -> Look {
        match bytes.first() {
            None => Look::Part,
            // The types of records (RFC 8446, section 5.1), and no letter is among them.
            Some(20..=24) => Look::at_record(bytes),
            Some(_) => Look::at_text(bytes),
        }
    }

    fn at_text(bytes: &[u8]) -> Look {
        let is_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
        let method = bytes.iter().take(LONGEST_METHOD).take_while(|byte| is_method(byte)).count();
        match bytes.get(method) {
            // A load balancer that says whom it speaks for; TLS would follow.
            Some(b' ') if &bytes[..method] == b"PROXY" => Look::Other,
            Some(b' ') if method > 0 => Look::Http,
            Some(_) => Look::Other,
            None => Look::Part,
        }
    }

    fn at_record(bytes: &[u8]) -> Look {
        let &[_, _, _, high, low, ref body @ ..] = bytes else { return Look::Part };
        let length = usize::from(u16::from_be_bytes([high, low]));
        match body.len() >= length || length > LONGEST_RECORD {
            true => Look::Record,
            false => Look::Part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_tls_and_http_from_everything_else() {
        for (bytes, look) in [
            (&b""[..], Look::Part),
            (b"\x16", Look::Part),
            (b"\x16\x03\x01\x00\x02\x01", Look::Part),
            (b"\x16\x03\x01\x00\x02\x01\x00", Look::Record),
            (b"\x16\x03\x01\xff\xff", Look::Record),
            (b"G", Look::Part),
            (b"GET", Look::Part),
            (b"GET ", Look::Http),
            (b"VERSION-CONTROL /", Look::Http),
            (b"PRI * HTTP/2.0", Look::Http),
            (b"get /", Look::Other),
            (b" ", Look::Other),
            (b"GET\r\n", Look::Other),
            (b"PROXY TCP4 10.0.0.1", Look::Other),
            (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Look::Other),
            (b"SSH-2.0-x", Look::Other),
            (b"\x80\x2e\x01\x00\x02", Look::Other),
            (b"\x00", Look::Other),
        ] {
            assert_eq!(Look::at_first(bytes), look, "{bytes:?}");
        }
    }
}
