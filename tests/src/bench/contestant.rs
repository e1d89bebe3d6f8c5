//! The proxies that are measured, each with the settings of its own that make the work equal.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;

use evenkeel_tests::client::Client;
use evenkeel_tests::nginx::{free_address, wait_until_it_answers};
use evenkeel_tests::process::Process;
use evenkeel_tests::product::Product;
use tempfile::TempDir;

use crate::cores;

/// A running one, on its core.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

/// Its configuration. `log` is where requests are logged: a socket for HAProxy, a file for the others.
pub(crate) fn configuration(
    product: &Product,
    listen: &str,
    backends: [&str; 2],
    log: Option<&str>,
) -> String {
    match product {
        Product::Haproxy => haproxy(listen, backends, log),
        Product::Nginx => nginx(listen, backends, log),
        Product::Evenkeel(_) => evenkeel(listen, backends, log),
    }
}

/// Starts it on the proxy's core before these backends.
pub(crate) fn start(product: &Product, backends: [SocketAddr; 2], is_logging: bool) -> Running {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let address = free_address();
    let log = folder.path().join("log");
    if is_logging && *product == Product::Haproxy {
        drain(UnixDatagram::bind(&log).expect("a short path"));
    }
    let log = log.display().to_string();
    let [first, second] = backends.map(|address| address.to_string());
    let configuration =
        configuration(product, &address.to_string(), [&first, &second], is_logging.then_some(&log));
    let process = cores::as_proxy(|| product.launch(folder.path(), &configuration));
    wait_until_it_answers(address);
    Running { address, process, _folder: folder }
}

impl Running {
    /// Its processes.
    pub(crate) fn family(&self) -> Vec<u32> {
        self.process.family()
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

/// Takes the log lines from HAProxy's socket, as a log daemon would, until the program ends.
fn drain(socket: UnixDatagram) {
    std::thread::spawn(move || {
        let mut line = [0; 4096];
        while socket.recv(&mut line).is_ok() {}
    });
}

fn haproxy(listen: &str, [first, second]: [&str; 2], log: Option<&str>) -> String {
    let target = log.map_or(String::new(), |path| format!("\n  log {path} local0 info"));
    let lines = log.map_or("", |_| "\n  log global\n  option httplog");
    format!(
        "global
  nbthread 1
  maxconn 9500{target}
defaults
  mode http{lines}
  option http-keep-alive
  http-reuse always
  timeout connect 3s
  timeout client 60s
  timeout server 30s
  timeout http-request 10s
  timeout http-keep-alive 75s
frontend edge
  bind {listen}
  default_backend web
backend web
  balance roundrobin
  server one {first}
  server two {second}
"
    )
}

fn nginx(listen: &str, [first, second]: [&str; 2], log: Option<&str>) -> String {
    let log = log.map_or("off".to_owned(), |path| format!("{path} combined"));
    format!(
        "worker_processes 1; worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  keepalive_requests 100000000; client_body_buffer_size 128k;
  upstream web {{ server {first}; server {second}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen {listen} backlog=4096; access_log {log};
    location / {{ proxy_pass http://web; proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
  }}
}}"
    )
}

fn evenkeel(listen: &str, [first, second]: [&str; 2], log: Option<&str>) -> String {
    let log = log.map_or("off".to_owned(), |path| format!("{{ path: \"{path}\" }}"));
    format!(
        "admin: {{ address: \"127.0.0.1:0\" }}
workers: 1
access_log: {log}
listeners: [{{ name: edge, address: \"{listen}\", limits: {{ connections: 9500 }} }}]
pools: {{ web: {{ backends: [\"{first}\", \"{second}\"] }} }}
"
    )
}
