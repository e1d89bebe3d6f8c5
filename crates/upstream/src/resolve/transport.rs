//! The sockets that servers are asked over.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hickory_resolver::net::runtime::iocompat::AsyncIoTokioAsStd;
use hickory_resolver::net::runtime::{
    DnsUdpSocket, RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime,
};
use tokio::io::{Interest, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// As hickory's own, but that a UDP socket is connected to its server: the kernel then hands over no other sender's
/// packets, and says at once if nobody listens there.
#[derive(Clone, Default)]
pub(super) struct Connected(TokioRuntimeProvider);

/// A connected UDP socket that hears of errors while it waits for packets.
pub(super) struct Datagrams {
    socket: Arc<UdpSocket>,
    /// Ends with the first error; `None` once it was told.
    error: Mutex<Option<Opening<()>>>,
}

impl RuntimeProvider for Connected {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = Datagrams;
    type Tcp = AsyncIoTokioAsStd<TcpStream>;

    fn create_handle(&self) -> TokioHandle {
        self.0.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        local: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> Opening<Self::Tcp> {
        self.0.connect_tcp(server, local, timeout)
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Opening<Datagrams> {
        Box::pin(async move {
            let socket = Arc::new(UdpSocket::bind(local).await?);
            socket.connect(server).await?;
            let watched = socket.clone();
            let error: Opening<()> = Box::pin(async move { watched.ready(Interest::ERROR).await.map(drop) });
            Ok(Datagrams { socket, error: Mutex::new(Some(error)) })
        })
    }
}

impl Datagrams {
    fn poll_error(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        let told = match error.as_mut().map(|error| error.as_mut().poll(cx)) {
            Some(Poll::Ready(told)) => told,
            Some(Poll::Pending) | None => return Poll::Pending,
        };
        *error = None;
        match told.and_then(|()| self.socket.take_error()) {
            Ok(Some(error)) | Err(error) => Poll::Ready(error),
            Ok(None) => Poll::Pending,
        }
    }
}

impl DnsUdpSocket for Datagrams {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        match self.socket.poll_recv_from(cx, &mut buffer) {
            Poll::Ready(from) => Poll::Ready(from.map(|from| (buffer.filled().len(), from))),
            // Tokio wakes nobody who reads for an error alone.
            Poll::Pending => self.poll_error(cx).map(Err),
        }
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, bytes: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        self.socket.poll_send_to(cx, bytes, to)
    }
}
