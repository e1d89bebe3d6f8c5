//! A server that says what it is told to.

use std::sync::{Arc, Mutex};

use evenkeel_model::Endpoint;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does once it has a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Says it at once.
    Say(&'static str),
    /// Says it byte by byte.
    Spell(&'static str),
    /// Says it and closes.
    Part(&'static str),
    /// Closes without a word.
    Close,
    /// Says nothing more.
    Hang,
}

/// Serves one list of steps per connection, one connection after the other, then accepts no more.
pub(super) struct Server {
    endpoint: Endpoint,
    heard: Arc<Mutex<Vec<(usize, String)>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn following(script: &[&'static [Step]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::Tcp(listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let (script, notes) = (script.to_vec(), heard.clone());
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            for (index, steps) in script.into_iter().enumerate() {
                let (stream, _) = listener.accept().await.unwrap();
                let note = |request| notes.lock().unwrap().push((index, request));
                held.extend(serve(stream, steps, note).await);
            }
            std::future::pending::<()>().await;
        });
        Server { endpoint, heard, task }
    }

    pub(super) fn endpoints(&self) -> &[Endpoint] {
        std::slice::from_ref(&self.endpoint)
    }

    /// Which connection each request came over.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.heard.lock().unwrap().iter().map(|(connection, _)| *connection).collect()
    }

    pub(super) fn request(&self) -> String {
        self.heard.lock().unwrap().last().unwrap().1.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connection again, unless it has ended.
async fn serve(mut stream: TcpStream, steps: &[Step], mut note: impl FnMut(String)) -> Option<TcpStream> {
    stream.set_nodelay(true).unwrap();
    for step in steps {
        note(read_request(&mut stream).await?);
        match step {
            Step::Say(text) => stream.write_all(text.as_bytes()).await.ok()?,
            Step::Spell(text) => {
                for byte in text.as_bytes() {
                    stream.write_all(&[*byte]).await.ok()?;
                    // Lets the other side read it alone.
                    tokio::task::yield_now().await;
                }
            }
            Step::Part(text) => {
                let _ = stream.write_all(text.as_bytes()).await;
                return None;
            }
            Step::Close => return None,
            Step::Hang => return Some(stream),
        }
    }
    Some(stream)
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(request).unwrap())
}
