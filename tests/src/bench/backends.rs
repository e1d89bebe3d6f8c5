//! The backends of the benchmark: one nginx worker behind two addresses.

use std::net::SocketAddr;

use evenkeel_tests::nginx::{free_address, launch, wait_until_it_answers, write_configuration};
use evenkeel_tests::process::Process;
use tempfile::TempDir;

/// Two addresses of one nginx with files of 1 and 100 KiB.
pub(crate) struct Backends {
    pub(crate) addresses: [SocketAddr; 2],
    process: Process,
    _folder: TempDir,
}

/// The servers of its configuration. `/post` takes the whole body before it answers: nginx reads a body only for somebody
/// behind it, which here is itself.
fn servers(first: &str, second: &str, files: &str) -> String {
    format!(
        "sendfile on; tcp_nopush on; open_file_cache max=16; keepalive_requests 100000000; keepalive_timeout 300s;
upstream taken {{ server unix:{files}/taken.sock; keepalive 64; keepalive_requests 100000000; }}
server {{ listen {first} backlog=4096; listen {second} backlog=4096; root {files};
  location /post {{
    client_body_buffer_size 128k; proxy_pass_request_body off; proxy_set_header Content-Length \"\";
    proxy_pass http://taken; proxy_http_version 1.1; proxy_set_header Connection \"\";
  }}
}}
server {{ listen unix:{files}/taken.sock; location / {{ return 200 \"ok\"; }} }}"
    )
}

impl Backends {
    /// Starts them on this thread's core.
    pub(crate) fn start() -> Backends {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = folder.path();
        for (name, length) in [("1k", 1024), ("100k", 100 * 1024)] {
            std::fs::write(files.join(name), vec![b'x'; length]).unwrap();
        }
        let addresses = [free_address(), free_address()];
        let [first, second] = addresses.map(|address| address.to_string());
        let text = servers(&first, &second, &files.display().to_string());
        write_configuration(files, 1, &text);
        let process = launch(files);
        wait_until_it_answers(addresses[0]);
        Backends { addresses, process, _folder: folder }
    }

    /// Their processes.
    pub(crate) fn family(&self) -> Vec<u32> {
        self.process.family()
    }

    /// The configuration, for the report.
    pub(crate) fn configuration() -> String {
        servers("BACKEND-1", "BACKEND-2", "FILES")
    }
}
