//! What makes the backends of a row bad, and keeps them so.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use evenkeel_tests::backend::{FullQueue, Refusing};
use evenkeel_tests::raw::{Connection, RawBackend};
use tempfile::TempDir;

use super::acts;
use super::lines::{Papers, Seat};
use super::row::{Row, World};
use super::stage::Stage;

/// Three addresses that are bad, and what keeps them so.
pub(super) struct Badness {
    pub(super) addresses: Vec<String>,
    _backends: Vec<Seat>,
    _refusing: Vec<Refusing>,
    _full: Vec<FullQueue>,
    _folder: TempDir,
    _sockets: Vec<UnixListener>,
}

impl Badness {
    pub(super) fn of(row: &Row, papers: &Papers, stage: &Arc<Stage>) -> Badness {
        let folder = tempfile::tempdir().unwrap();
        let mut bad = Badness {
            addresses: Vec::new(),
            _backends: Vec::new(),
            _refusing: Vec::new(),
            _full: Vec::new(),
            _folder: folder,
            _sockets: Vec::new(),
        };
        for number in 1..=3 {
            let address = bad.one(row.world, number, papers, stage);
            bad.addresses.push(address);
        }
        bad
    }

    fn one(&mut self, world: World, number: usize, papers: &Papers, stage: &Arc<Stage>) -> String {
        let path = self._folder.path().join(format!("{number}.sock"));
        let address = match world {
            World::Refused => {
                self._refusing.push(Refusing::default());
                self._refusing[number - 1].address()
            }
            World::FullQueue => {
                self._full.push(FullQueue::default());
                self._full[number - 1].address()
            }
            World::NoSocket => format!("unix:{}", path.display()),
            World::Forbidden => {
                self._sockets.push(UnixListener::bind(&path).unwrap());
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
                format!("unix:{}", path.display())
            }
            // The kernel connects to no broadcast address, not even to that of loopback.
            World::Unroutable => format!("127.255.255.255:{number}"),
            World::NoName => format!("nowhere-{number}.invalid:80"),
            World::Says(_) | World::SaysLast(_) | World::Acts(_) => {
                let backend = backend(format!("bad-{number}"), Some(world), stage.clone());
                return self.sit(papers.seat(backend, true));
            }
            World::Fakes(fake) => {
                let backend = backend(format!("bad-{number}"), None, stage.clone());
                return self.sit(papers.fake(backend, fake));
            }
        };
        papers.url(&address)
    }

    fn sit(&mut self, seat: Seat) -> String {
        let address = seat.address.clone();
        self._backends.push(seat);
        address
    }
}

/// Does as `world` says, but for requests that warm a connection.
pub(super) fn backend(name: String, world: Option<World>, stage: Arc<Stage>) -> RawBackend {
    RawBackend::start(move |connection: &mut Connection| -> io::Result<()> {
        while let Some(mut request) = connection.head()? {
            stage.note_delivery(&name, &request.target);
            let request = &mut request;
            match world {
                _ if request.target.ends_with("/warm") => acts::answer(connection, request, &stage)?,
                Some(World::Acts(act)) => act(connection, request, &stage)?,
                Some(World::Says(bytes)) => acts::say(connection, request, bytes)?,
                Some(World::SaysLast(bytes)) => acts::say_last(connection, request, bytes)?,
                _ => acts::answer(connection, request, &stage)?,
            }
        }
        Ok(())
    })
}
