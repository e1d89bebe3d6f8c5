//! One connection as bytes: requests read with the codec of the proxy, every wait with an end.

use std::future::Future;
use std::time::Duration;

use evenkeel_http1::{BodyDecoder, BodyKind, HeadLimits, Method, Refusal, RequestHead, Version};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for the rest of a request head.
const HEAD: Duration = Duration::from_secs(30);

/// Longest wait for more of a request body, and for the client to take more of an answer.
const STEP: Duration = Duration::from_secs(60);

/// Most bytes that are read at once.
const PIECE: usize = 16 * 1024;

/// How long, and for how many bytes, what a client still sends is read after its last answer.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 64 << 20);

/// A connection, and what was read of it but not used yet.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: Vec<u8>,
    pub(crate) body: BodyKind,
    pub(crate) keep_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) upgrades: bool,
}

/// The client has gone, or takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Gone,
    Refused(Refusal),
}

impl Wire {
    /// A connection that was accepted.
    pub(crate) fn new(stream: TcpStream) -> Self {
        // Without it answers are merely later.
        let _ = stream.set_nodelay(true);
        Wire { stream, unread: Vec::new() }
    }

    /// Waits until there is something to read. Cancelling loses nothing.
    pub(crate) async fn ready(&mut self) -> Result<(), Gone> {
        if self.unread.is_empty() { self.fill().await } else { Ok(()) }
    }

    /// Reads the head of the next request.
    pub(crate) async fn request(&mut self) -> Result<Request, Trouble> {
        within(HEAD, self.head()).await.unwrap_or(Err(Trouble::Gone))
    }

    /// Reads a body and throws it away.
    pub(crate) async fn body(&mut self, kind: BodyKind) -> Result<(), Gone> {
        let mut decoder = BodyDecoder::new(kind);
        loop {
            let decoded = decoder.decode(&mut self.unread).map_err(|_| Gone)?;
            self.unread.drain(..decoded.consumed);
            if decoder.is_done() {
                return Ok(());
            }
            within(STEP, self.fill()).await.unwrap_or(Err(Gone))?;
        }
    }

    /// Writes all of it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let written = within(STEP, self.stream.write_all(bytes)).await;
        written.and_then(Result::ok).ok_or(Gone)
    }

    /// Waits, unless the client leaves first.
    pub(crate) async fn pause(&self, length: Duration) -> Result<(), Gone> {
        match within(length, self.departure()).await {
            None => Ok(()),
            Some(()) => Err(Gone),
        }
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        reset(self.stream);
    }

    /// Closes, but reads on for a while first: otherwise the kernel would answer what still comes with a reset, and the
    /// client might lose the answer over it.
    pub(crate) async fn linger(mut self) {
        let (longest, mut left) = LINGER;
        let drain = async {
            let _ = self.stream.shutdown().await;
            while left > 0 {
                self.unread.clear();
                if self.fill().await.is_err() {
                    return;
                }
                left = left.saturating_sub(self.unread.len());
            }
        };
        within(longest, drain).await;
    }

    async fn head(&mut self) -> Result<Request, Trouble> {
        let (mut head, limits) = (RequestHead::default(), HeadLimits::default());
        while !head.parse(&self.unread, &limits).map_err(Trouble::Refused)? {
            self.fill().await.map_err(|Gone| Trouble::Gone)?;
        }
        let request = Request {
            method: head.method,
            path: head.path.of(&self.unread).to_vec(),
            body: head.body,
            keep_alive: head.keep_alive && head.version == Version::Http11,
            expects_continue: head.expect_continue,
            upgrades: head.upgrade.is_some(),
        };
        self.unread.drain(..head.length);
        Ok(request)
    }

    /// Reads some more. Cancelling loses nothing.
    async fn fill(&mut self) -> Result<(), Gone> {
        self.unread.reserve(PIECE);
        match self.stream.read_buf(&mut self.unread).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(Gone),
        }
    }

    /// Waits until the client closes. One that still sends is not seen to.
    async fn departure(&self) {
        if let Ok(1..) = self.stream.peek(&mut [0]).await {
            std::future::pending().await
        }
    }
}

/// Closes with a reset.
pub(crate) fn reset(stream: TcpStream) {
    // Where that fails the close is a plain one.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// What comes of it, unless it takes longer. On expiry it is dropped.
pub(crate) async fn within<T>(longest: Duration, work: impl Future<Output = T>) -> Option<T> {
    // The loser of the two is dropped, which each caller allows for.
    tokio::select! {
        biased;
        done = work => Some(done),
        () = tokio::time::sleep(longest) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, Wire) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, Wire::new(listener.accept().await.unwrap().0))
    }

    #[tokio::test]
    async fn requests_are_read_one_after_the_other_with_their_bodies() {
        let (mut client, mut wire) = pair().await;
        let bytes = "POST /a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
                     HEAD /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        client.write_all(bytes.as_bytes()).await.unwrap();
        let first = wire.request().await.unwrap();
        assert_eq!((first.method, first.path.as_slice()), (Method::Post, &b"/a?b"[..]));
        assert_eq!((first.body, first.keep_alive), (BodyKind::Chunked, true));
        wire.body(first.body).await.unwrap();
        wire.ready().await.unwrap();
        let second = wire.request().await.unwrap();
        assert_eq!((second.path.as_slice(), second.keep_alive), (&b"/c"[..], false));
    }

    #[tokio::test]
    async fn a_bad_head_and_a_bad_body_are_told_apart_from_a_client_that_left() {
        let (mut client, mut wire) = pair().await;
        client.write_all(b"nonsense\r\n\r\n").await.unwrap();
        assert!(matches!(wire.request().await, Err(Trouble::Refused(_))));

        let (mut client, mut wire) = pair().await;
        client.write_all(b"five\r\n").await.unwrap();
        assert_eq!(wire.body(BodyKind::Chunked).await, Err(Gone));

        let (client, mut wire) = pair().await;
        drop(client);
        assert!(matches!(wire.request().await, Err(Trouble::Gone)));
    }

    #[tokio::test]
    async fn a_pause_ends_with_its_time_or_with_the_client() {
        let (mut client, wire) = pair().await;
        assert_eq!(wire.pause(Duration::from_millis(1)).await, Ok(()));
        // What a client still sends is no departure.
        client.write_all(b"more").await.unwrap();
        assert_eq!(wire.pause(Duration::from_millis(1)).await, Ok(()));

        let (client, wire) = pair().await;
        drop(client);
        assert_eq!(wire.pause(STEP).await, Err(Gone));
    }

    #[tokio::test]
    async fn a_reset_is_one() {
        let (mut client, wire) = pair().await;
        wire.reset();
        let error = client.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
