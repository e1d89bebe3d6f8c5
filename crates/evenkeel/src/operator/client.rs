//! One exchange at a time with a node's door, within a deadline.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use evenkeel_model::Order;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::places::Place;
use super::{Failure, Standing};

/// Longest exchange, from the connection to the last byte of the answer.
const LONGEST_EXCHANGE: Duration = Duration::from_secs(5);

/// Largest answer, in bytes; the status of a backend takes about one thousand.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Speaks to one node.
#[derive(Debug)]
pub(super) struct Client(Place);

/// What a node answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no answer.
enum NoAnswer {
    /// Nobody is there.
    Connect(io::Error),
    /// Somebody is, and this went wrong.
    Exchange(String),
}

impl Client {
    /// The first of these places where a node answers, and how its backends stand. For an `order`, a socket that may not
    /// be used ends the search: what is read-only would not help.
    pub(super) async fn reach(places: &[Place], order: Option<Order>) -> Result<(Client, Standing), Failure> {
        let mut tried = Vec::new();
        for place in places {
            let client = Client(place.clone());
            match client.exchange(Method::GET, "/api/status").await {
                Ok(answer) => return Ok((client, Standing::of(&answer)?)),
                Err(NoAnswer::Connect(error)) if is_forbidden(&error) && order.is_some() => {
                    let help = "orders are taken from root and from the user that evenkeel runs as";
                    return Err(Failure::new(format!("{place}: {error}"), help));
                }
                Err(NoAnswer::Connect(error)) => tried.push(format!("{place}: {error}")),
                Err(NoAnswer::Exchange(why)) => return Err(Failure::new(format!("{place}: {why}"), "")),
            }
        }
        let help = "is it running? --admin ADDR|SOCKET, EVENKEEL_ADMIN or -c FILE say where it is";
        Err(Failure::new(format!("no evenkeel answers ({})", tried.join("; ")), help))
    }

    /// How the backends stand now.
    pub(super) async fn standing(&self) -> Result<Standing, Failure> {
        Standing::of(&self.ask(Method::GET, "/api/status").await?)
    }

    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Answer, Failure> {
        self.exchange(method, path).await.map_err(|error| {
            let why = match error {
                NoAnswer::Connect(error) => error.to_string(),
                NoAnswer::Exchange(why) => why,
            };
            Failure::new(format!("{}: {why}", self.0), "")
        })
    }

    #[allow(clippy::disallowed_methods, reason = "a command line is not on the request path")]
    async fn exchange(&self, method: Method, path: &str) -> Result<Answer, NoAnswer> {
        match tokio::time::timeout(LONGEST_EXCHANGE, self.connect_and_ask(method, path)).await {
            Ok(answer) => answer,
            Err(_) => Err(NoAnswer::Exchange(format!("no answer within {LONGEST_EXCHANGE:?}"))),
        }
    }

    async fn connect_and_ask(&self, method: Method, path: &str) -> Result<Answer, NoAnswer> {
        let answer = match &self.0 {
            Place::Socket(file) => {
                let stream = UnixStream::connect(file).await.map_err(NoAnswer::Connect)?;
                converse(stream, method, path).await
            }
            Place::Address(address) => {
                let stream = TcpStream::connect(address).await.map_err(NoAnswer::Connect)?;
                converse(stream, method, path).await
            }
        };
        answer.map_err(NoAnswer::Exchange)
    }
}

impl Answer {
    /// Its body; null if it is no JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

async fn converse<S>(stream: S, method: Method, path: &str) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let request = Request::builder().method(method).uri(path).header(HOST, "evenkeel");
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status, body })
    };
    let driving = async {
        // Its errors reach the exchange; that it has ended does not mean that the answer was read.
        let _ = connection.await;
        std::future::pending().await
    };
    // The connection has no further use once the exchange is over.
    tokio::select! {
        answer = exchange => answer,
        () = driving => Err("the connection ended".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn status() -> String {
        let body = r#"{"pools":[]}"#;
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }

    /// A door that answers each connection with this text and closes.
    async fn answering(listener: UnixListener, text: String) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    }

    #[test]
    fn the_first_place_that_answers_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let [missing, dead, alive] = ["missing", "dead", "alive"].map(|name| folder.path().join(name));
        runtime().block_on(async {
            drop(UnixListener::bind(&dead).unwrap());
            let listener = UnixListener::bind(&alive).unwrap();
            let places = [missing, dead, alive.clone()].map(Place::Socket);
            let (client, _) = tokio::select! {
                reached = Client::reach(&places, None) => reached.unwrap(),
                () = answering(listener, status()) => unreachable!(),
            };
            assert_eq!(client.0, Place::Socket(alive));
        });
    }

    #[test]
    fn nobody_anywhere_is_said_with_every_place() {
        let places = [Place::Socket(PathBuf::from("/nonexistent/a")), Place::Socket("/nonexistent/b".into())];
        let failure = runtime().block_on(Client::reach(&places, None)).unwrap_err();
        assert!(failure.error.contains("/nonexistent/a: ") && failure.error.contains("/nonexistent/b: "));
        assert!(failure.help.contains("--admin"), "{failure:?}");
    }

    #[test]
    fn what_is_no_evenkeel_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        runtime().block_on(async {
            for answer in
                ["SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"]
            {
                let _ = std::fs::remove_file(&path);
                let listener = UnixListener::bind(&path).unwrap();
                let places = [Place::Socket(path.clone())];
                let failure = tokio::select! {
                    reached = Client::reach(&places, None) => reached.unwrap_err(),
                    () = answering(listener, answer.to_owned()) => unreachable!(),
                };
                assert!(!failure.error.is_empty());
            }
        });
    }
}
