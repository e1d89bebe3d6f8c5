//! Through which door a request came, and who may use the admin socket.

use axum::Extension;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rustix::process::geteuid;
use tokio::net::UnixStream;

use crate::audit;
use crate::refusal::Refusal;

const ROOT: u32 = 0;

/// Through which door a request came; an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// The TCP listener, which is read-only.
    Tcp,
    /// The admin socket.
    Socket(Peer),
}

/// The process at the other end of the admin socket, by the kernel's word at the time it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    /// `None` if it lives in another process namespace.
    pub(crate) pid: Option<i32>,
}

impl Peer {
    pub(crate) fn of(stream: &UnixStream) -> std::io::Result<Peer> {
        let credentials = stream.peer_cred()?;
        Ok(Peer { uid: credentials.uid(), pid: credentials.pid().filter(|pid| *pid != 0) })
    }
}

/// Turns away whoever is neither root nor the user that this process runs as, from every page.
pub(crate) async fn admit(Extension(door): Extension<Door>, request: Request, next: Next) -> Response {
    let own = geteuid().as_raw();
    match door {
        Door::Socket(peer) if !is_allowed(peer.uid, own) => {
            audit::turned_away(peer, own);
            let error = format!("uid {} may not use the admin socket", peer.uid);
            let help = match own {
                ROOT => "only root (uid 0) may".to_string(),
                own => format!("only root (uid 0) and uid {own}, which evenkeel runs as, may"),
            };
            Refusal::new(StatusCode::FORBIDDEN, error, help).into_response()
        }
        Door::Tcp | Door::Socket(_) => next.run(request).await,
    }
}

fn is_allowed(uid: u32, own: u32) -> bool {
    uid == ROOT || uid == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_process_itself_are_let_in() {
        for (uid, own, allowed) in
            [(0, 1000, true), (1000, 1000, true), (1001, 1000, false), (0, 0, true), (65534, 0, false)]
        {
            assert_eq!(is_allowed(uid, own), allowed, "{uid} at a process of {own}");
        }
    }
}
