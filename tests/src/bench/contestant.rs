//! The proxies that are measured: started on their core, and asked whether they answer.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use evenkeel_tests::client::Client;
use evenkeel_tests::nginx::free_address;
use evenkeel_tests::process::Process;
use evenkeel_tests::product::Product;
use evenkeel_tests::tools::run_within;
use evenkeel_tests::wait;
use tempfile::TempDir;

use crate::backends::Backends;
use crate::clients::Clients;
use crate::configuration::{Places, configuration};
use crate::cores;
use crate::setting::Setting;

/// Longest that a proxy takes to start.
const SOON: Duration = Duration::from_secs(10);

/// A running one, on its core.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Who speaks TLS with it, if it does.
    pub(crate) clients: Option<Clients>,
    process: Process,
    _folder: TempDir,
}

/// Starts it on the proxy's core before these backends.
pub(crate) fn start(product: &Product, setting: Setting, backends: &Backends) -> Running {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = free_address();
    if setting == Setting::Logging && *product == Product::Haproxy {
        drain(UnixDatagram::bind(folder.path().join("log")).expect("a short path"));
    }
    let configuration = configuration_before(product, setting, backends, folder.path(), address);
    let process = cores::as_proxy(|| product.launch(folder.path(), &configuration));
    let clients = (setting == Setting::Tls).then(Clients::default);
    let running = Running { address, clients, process, _folder: folder };
    wait::until_true(SOON, &format!("an answer from {}", product.name()), || running.answers());
    running
}

/// Why a build of evenkeel does not run in a setting, in its own words, if it does not.
pub(crate) fn refusal(program: &Path, setting: Setting, backends: &Backends) -> Option<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("configuration");
    let product = Product::Evenkeel(program.to_owned());
    let text = configuration_before(&product, setting, backends, folder.path(), free_address());
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.arg("check").arg("-c").arg(&file);
    let output = run_within(SOON, command, "");
    let words = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&words).into_owned())
}

fn configuration_before(
    product: &Product,
    setting: Setting,
    backends: &Backends,
    folder: &Path,
    listen: SocketAddr,
) -> String {
    let text = |path: &Path| path.display().to_string();
    let [first, second] = backends.addresses(setting).map(|address| address.to_string());
    let places = Places {
        listen: &listen.to_string(),
        backends: [&first, &second],
        log: &text(&folder.join("log")),
        certificate: &text(&backends.certificate.certificate),
        key: &text(&backends.certificate.key),
        both: &text(&backends.certificate.both),
        authority: &text(&backends.authority),
    };
    configuration(product, setting, &places)
}

impl Running {
    /// Its processes.
    pub(crate) fn family(&self) -> Vec<u32> {
        self.process.family()
    }

    /// A client of it, with a connection of its own.
    pub(crate) fn client(&self) -> Client {
        self.try_client().unwrap_or_else(|error| panic!("no connection: {error}"))
    }

    fn try_client(&self) -> io::Result<Client> {
        match &self.clients {
            None => Client::try_connect(self.address),
            Some(clients) => Client::try_secure(self.address, &clients.full),
        }
    }

    fn answers(&self) -> bool {
        self.try_client().and_then(|mut client| client.try_get("/")).is_ok()
    }
}

/// Takes the log lines from HAProxy's socket, as a log daemon would, until the program ends.
fn drain(socket: UnixDatagram) {
    std::thread::spawn(move || {
        let mut line = [0; 4096];
        while socket.recv(&mut line).is_ok() {}
    });
}
