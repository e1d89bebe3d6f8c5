//! A listener that speaks TLS before one echoing backend, and whoever believes its authority.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::certificates::{Authority, Files};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_client::TlsClient;
use evenkeel_tests::wait;
use tempfile::TempDir;

/// Names of the certificate in `site.crt`.
pub(crate) const NAMES: [&str; 3] = ["a.test", "b.test", "*.wild.test"];

/// What a configuration says beside the certificate and the backend.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Words<'a> {
    /// In the listener's `tls`, such as `policy: modern`.
    pub(crate) tls: &'a str,
    /// In the listener, such as `hsts: true`.
    pub(crate) listener: &'a str,
    /// More listeners.
    pub(crate) listeners: &'a str,
    /// At the top, a line each.
    pub(crate) top: &'a str,
}

/// An authority, and a folder with its certificate (`root.pem`) and one that it signed (`site.*`).
pub(crate) struct Place {
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
    pub(crate) files: Files,
    pub(crate) root: PathBuf,
}

/// Everything, running.
pub(crate) struct Front {
    pub(crate) place: Place,
    pub(crate) backend: Backend,
    pub(crate) evenkeel: Evenkeel,
}

impl Place {
    pub(crate) fn new() -> Place {
        let (authority, folder) = (Authority::new("authority"), tempfile::tempdir().unwrap());
        let files = authority.server(&NAMES).write(folder.path(), "site");
        let root = authority.write(folder.path(), "root");
        Place { authority, folder, files, root }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The way to a file in the folder.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }

    /// The entry of `tls.certificates` for `NAME.crt` and `NAME.key`.
    pub(crate) fn entry(&self, name: &str) -> String {
        let [certificate, key] = ["crt", "key"].map(|ending| self.file(&format!("{name}.{ending}")));
        format!("{{ certificate: \"{certificate}\", key: \"{key}\" }}")
    }

    /// Who asks for `a.test`, and believes the authority alone.
    pub(crate) fn client(&self) -> TlsClient {
        TlsClient::new(&self.authority, NAMES[0])
    }

    /// The authority's file, for `openssl` and `curl`.
    pub(crate) fn root(&self) -> &str {
        self.root.to_str().expect("a temporary folder's name is text")
    }

    /// A configuration with this certificate before a backend.
    pub(crate) fn configuration(&self, backend: &Backend, words: Words<'_>) -> String {
        let Words { tls, listener, listeners, top } = words;
        let site = self.entry("site");
        format!(
            "{top}\nlisteners:\n  - name: edge\n    address: \"127.0.0.1:0\"\n    tls: {{ certificates: [{site}], {tls} }}\n    {listener}\n\
             {listeners}\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
            backend.address()
        )
    }
}

impl Front {
    /// One with these words in `tls`.
    pub(crate) fn start(tls: &str) -> Front {
        Front::with(Words { tls, ..Words::default() })
    }

    pub(crate) fn with(words: Words<'_>) -> Front {
        Front::before(Script::Echo, words)
    }

    pub(crate) fn before(script: Script, words: Words<'_>) -> Front {
        Front::at(Place::new(), script, words)
    }

    /// With files that are there already.
    pub(crate) fn at(place: Place, script: Script, words: Words<'_>) -> Front {
        let backend = Backend::start("a", script);
        let evenkeel = Evenkeel::start(&place.configuration(&backend, words));
        Front { place, backend, evenkeel }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.evenkeel.listener("edge")
    }

    pub(crate) fn client(&self) -> TlsClient {
        self.place.client()
    }

    /// A connection whose handshake is done.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::secure(self.address(), &self.client())
    }

    /// Handshakes that came to an end so far: `full` or `resumed`.
    #[track_caller]
    pub(crate) fn handshakes(&self, kind: &str) -> f64 {
        let name = "evenkeel_listener_tls_handshakes_total";
        self.evenkeel.metrics().sum(name, &[("listener", "edge"), ("kind", kind)])
    }

    /// Handshakes that came to nothing so far, for this reason.
    #[track_caller]
    pub(crate) fn failures(&self, reason: &str) -> f64 {
        let name = "evenkeel_listener_tls_handshake_failures_total";
        self.evenkeel.metrics().sum(name, &[("listener", "edge"), ("reason", reason)])
    }

    /// Waits until so many have failed for this reason; none has for another.
    #[track_caller]
    pub(crate) fn expect_failures(&self, reason: &str, count: usize) {
        wait::until_true(SOON, &format!("{count} failures for {reason}"), || {
            self.failures(reason) >= count as f64
        });
        let metrics = self.evenkeel.metrics();
        let all = metrics.sum("evenkeel_listener_tls_handshake_failures_total", &[]);
        assert_eq!((self.failures(reason), all), (count as f64, count as f64), "{reason}");
    }

    /// Waits until an event in the log has this message.
    #[track_caller]
    pub(crate) fn event(&self, message: &str) -> serde_json::Value {
        wait::until(SOON, &format!("{message:?} in the log"), || {
            self.evenkeel.events().into_iter().find(|event| event["message"] == message)
        })
    }
}
