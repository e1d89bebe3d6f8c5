//! A backend of the demo: it answers with its name, and breaks and mends when asked to.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

type Answer = Response<Full<Bytes>>;

/// How a backend behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Mood {
    Well = 0,
    /// Answers 502.
    Broken = 1,
    /// Takes requests and never answers.
    Hung = 2,
}

/// What one backend's connections share.
struct Backend {
    name: &'static str,
    mood: AtomicU8,
}

/// Starts backends on ports of the kernel's choice, all on one thread of their own that lives as long as the process.
pub(crate) fn start(names: &[&'static str]) -> io::Result<Vec<SocketAddr>> {
    let mut sockets = Vec::with_capacity(names.len());
    let mut addresses = Vec::with_capacity(names.len());
    for name in names {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        addresses.push(socket.local_addr()?);
        sockets.push((*name, socket));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new()
        .name("demo-backends".into())
        .spawn(move || runtime.block_on(serve_all(sockets)))?;
    Ok(addresses)
}

async fn serve_all(sockets: Vec<(&'static str, TcpListener)>) {
    let mut servers = tokio::task::JoinSet::new();
    for (name, socket) in sockets {
        let backend = Arc::new(Backend { name, mood: AtomicU8::new(Mood::Well as u8) });
        servers.spawn(serve(backend, socket));
    }
    while let Some(ended) = servers.join_next().await {
        if let Ok(Err(error)) = ended {
            tracing::error!(%error, "a demo backend ended");
        }
    }
}

async fn serve(backend: Arc<Backend>, socket: TcpListener) -> io::Result<()> {
    let socket = tokio::net::TcpListener::from_std(socket)?;
    loop {
        let (stream, _) = socket.accept().await?;
        let backend = backend.clone();
        // Ends with its client; hyper closes a connection that sends no head for 30 s.
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let backend = backend.clone();
                async move { Ok::<_, Infallible>(backend.answer(&request).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            // An error is a client that went away.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Backend {
    async fn answer(&self, request: &Request<Incoming>) -> Answer {
        match request.uri().path() {
            "/break" => self.turn(Mood::Broken, "answers 502 from now on"),
            "/hang" => self.turn(Mood::Hung, "answers nothing from now on"),
            "/mend" => self.turn(Mood::Well, "is well again"),
            _ => self.serve().await,
        }
    }

    fn turn(&self, mood: Mood, what: &str) -> Answer {
        self.mood.store(mood as u8, Ordering::Relaxed);
        text(StatusCode::OK, &format!("{} {what}\n", self.name))
    }

    async fn serve(&self) -> Answer {
        match self.mood.load(Ordering::Relaxed) {
            mood if mood == Mood::Well as u8 => text(StatusCode::OK, &format!("hello from {}\n", self.name)),
            mood if mood == Mood::Broken as u8 => {
                text(StatusCode::BAD_GATEWAY, &format!("{} is broken\n", self.name))
            }
            _ => std::future::pending().await,
        }
    }
}

fn text(status: StatusCode, body: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    fn get(address: SocketAddr, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn a_backend_breaks_hangs_and_mends_without_its_neighbours() {
        let [red, green] = start(&["red", "green"]).unwrap()[..] else { panic!("two backends") };
        assert!(get(red, "/").unwrap().ends_with("hello from red\n"));
        assert!(get(red, "/break").unwrap().starts_with("HTTP/1.1 200"));
        assert!(get(red, "/").unwrap().starts_with("HTTP/1.1 502"));
        assert!(get(red, "/hang").unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(get(red, "/").unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(get(green, "/").unwrap().ends_with("hello from green\n"));
        get(red, "/mend").unwrap();
        assert!(get(red, "/").unwrap().ends_with("hello from red\n"));
    }
}
