//! An authority, servers with certificates of its own, and an evenkeel before them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::certificates::{Authority, Certificate, Files};
use evenkeel_tests::client::Client;
use evenkeel_tests::nginx::{self, Nginx};
use evenkeel_tests::process::Process;
use evenkeel_tests::product::Product;
use evenkeel_tests::tls_backend::{TlsBackend, TlsServer};
use evenkeel_tests::tls_client::TlsClient;
use evenkeel_tests::wait;
use tempfile::TempDir;

use crate::named;

/// What servers say about themselves: their name, then whom they were asked for, and more about the connection.
const SAYS: &str =
    "$server_name $host reused=$ssl_session_reused requests=$connection_requests client=$ssl_client_s_dn";

/// An authority with a folder.
pub(super) struct Site {
    pub(super) authority: Authority,
    pub(super) folder: TempDir,
}

/// A HAProxy that runs.
pub(super) struct Haproxy {
    pub(super) address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

/// A scripted backend with TLS before it.
pub(super) struct Scripted {
    pub(super) backend: Backend,
    pub(super) tls: TlsBackend,
}

impl Scripted {
    pub(super) fn new(script: Script, certificate: &Certificate) -> Scripted {
        let backend = Backend::start("scripted", script);
        let tls = TlsBackend::before(&backend.address(), &TlsServer::new(certificate));
        Scripted { backend, tls }
    }
}

impl Site {
    pub(super) fn new() -> Site {
        Site { authority: Authority::new("the site's own"), folder: tempfile::tempdir().unwrap() }
    }

    /// The file with its authority.
    pub(super) fn ca(&self) -> PathBuf {
        self.authority.write(self.folder.path(), "ca")
    }

    /// `ca: FILE`.
    pub(super) fn believes(&self) -> String {
        format!("ca: {}", self.ca().display())
    }

    pub(super) fn write(&self, name: &str, certificate: &Certificate) -> Files {
        certificate.write(self.folder.path(), name)
    }

    /// The certificate of a server that is addressed by its IP address.
    pub(super) fn local(&self) -> Certificate {
        self.authority.server(&["127.0.0.1"])
    }

    /// An nginx with a certificate and more directives of its server.
    pub(super) fn nginx(&self, name: &str, certificate: &Certificate, more: &str) -> Nginx {
        let server = self.server(name, certificate, more);
        Nginx::start_with(name, |address, _: &Path| server.replace("ADDRESS", &address.to_string()))
    }

    /// One server of an nginx, which listens on `ADDRESS`.
    pub(super) fn server(&self, name: &str, certificate: &Certificate, more: &str) -> String {
        let Files { certificate, key, .. } = self.write(name, certificate);
        format!(
            "server {{ listen ADDRESS ssl; server_name {name}; default_type text/plain; keepalive_requests 1000000;
               ssl_certificate {}; ssl_certificate_key {}; {more}
               location / {{ return 200 \"{SAYS}\"; }} }}\n",
            certificate.display(),
            key.display()
        )
    }

    /// A HAProxy with a certificate, which answers with `haproxy`.
    pub(super) fn haproxy(&self, certificate: &Certificate) -> Haproxy {
        let folder = tempfile::tempdir().unwrap();
        let address = nginx::free_address();
        let both = self.write("haproxy", certificate).both;
        let process = Product::Haproxy.launch(
            folder.path(),
            &format!(
                "defaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n\
                 frontend all\n  bind {address} ssl crt {}\n  \
                 http-request return status 200 content-type text/plain string haproxy\n",
                both.display()
            ),
        );
        let client = TlsClient::trusting_anybody("127.0.0.1");
        wait::until_true(SOON, "HAProxy to answer", || {
            Client::try_secure(address, &client).is_ok_and(|mut client| client.try_get("/").is_ok())
        });
        Haproxy { address, _process: process, _folder: folder }
    }
}

/// An evenkeel with a pool of these backends, by name and address; `tls` are the keys of the pool's TLS.
pub(super) fn start(backends: &[(&str, String)], tls: &str, settings: &[&str]) -> Evenkeel {
    start_with(backends, tls, settings, |_| {})
}

/// As [`start`], with a chance to change the command.
pub(super) fn start_with(
    backends: &[(&str, String)],
    tls: &str,
    settings: &[&str],
    change: impl FnOnce(&mut Command),
) -> Evenkeel {
    Evenkeel::start_with(&plan(backends, tls, settings), change)
}

/// What [`start`] runs.
pub(super) fn plan(backends: &[(&str, String)], tls: &str, settings: &[&str]) -> String {
    let secure: Vec<_> =
        backends.iter().map(|(name, address)| (*name, format!("https://{address}"))).collect();
    let tls = format!("tls: {{ {tls} }}");
    let tls = if tls == "tls: {  }" { &[][..] } else { &[&*tls][..] };
    named::pool(&secure, &[tls, settings].concat())
}

/// As [`start`], with one backend.
pub(super) fn one(address: &str, tls: &str) -> Evenkeel {
    start(&[("a", address.to_owned())], tls, &[])
}

/// What the proxy answers: status and text.
pub(super) fn ask(evenkeel: &Evenkeel, path: &str) -> (u16, String) {
    let response = Client::connect(evenkeel.address()).get(path);
    (response.status, response.text())
}

/// That a request fails like this, in the log and in what the client is told.
#[track_caller]
pub(super) fn expect_failure(evenkeel: &Evenkeel, cause: &str, detail: &str) {
    let response = Client::connect(evenkeel.address()).get("/failing");
    assert_eq!(response.status, 502, "{}", response.text());
    let told = response.field("proxy-status").unwrap_or_default();
    assert!(told.contains(&format!("details=\"{cause}: {detail}\"")), "{told}");
    let entry = named::entry(evenkeel, "/failing");
    assert_eq!(
        (&entry["cause"], &entry["detail"], &entry["class"]),
        (&cause.into(), &detail.into(), &"not_sent".into()),
        "{entry}"
    );
}

/// Has a backend ejected from a pool with a good one: the evidence in the status, and the ground in the log.
#[track_caller]
pub(super) fn evidence_of_ejection(site: &Site, address: &str) -> [String; 2] {
    let good = Scripted::new(Script::Echo, &site.local());
    let backends = [("bad", address.to_owned()), ("good", good.tls.address())];
    let evenkeel = start(&backends, &site.believes(), &["health: { eject: { consecutive: 1 } }"]);
    wait::until_true(SOON, "an ejection", || {
        assert_eq!(ask(&evenkeel, "/").0, 200);
        evenkeel.phase(address) == "ejected"
    });
    let status = evenkeel.backend(address)["evidence"].as_str().unwrap_or_default().to_owned();
    let event = wait::until(SOON, "an event of it", || {
        evenkeel.events().into_iter().find(|event| event["to"] == "ejected")
    });
    [status, event.to_string()]
}
