//! The backends of the benchmark: one nginx worker behind two addresses, and two more for TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use evenkeel_tests::certificates::{Authority, Files};
use evenkeel_tests::nginx::{free_address, launch, wait_until_it_answers, write_configuration};
use evenkeel_tests::process::Process;
use tempfile::TempDir;

use crate::clients::NAME;
use crate::setting::Setting;

/// Four addresses of one nginx with files of 1 and 100 KiB, and the certificate that everybody has who speaks TLS.
pub(crate) struct Backends {
    cleartext: [SocketAddr; 2],
    tls: [SocketAddr; 2],
    /// ECDSA on P-256.
    pub(crate) certificate: Files,
    /// Who has signed it.
    pub(crate) authority: PathBuf,
    process: Process,
    _folder: TempDir,
}

/// The servers of its configuration. `/post` takes the whole body before it answers: nginx reads a body only for somebody
/// behind it, which here is itself.
fn servers(
    [first, second]: [&str; 2],
    [third, fourth]: [&str; 2],
    certificate: &str,
    key: &str,
    files: &str,
) -> String {
    format!(
        "sendfile on; tcp_nopush on; open_file_cache max=16; keepalive_requests 100000000; keepalive_timeout 300s;
upstream taken {{ server unix:{files}/taken.sock; keepalive 64; keepalive_requests 100000000; }}
server {{ listen {first} backlog=4096; listen {second} backlog=4096; root {files};
  location /post {{
    client_body_buffer_size 128k; proxy_pass_request_body off; proxy_set_header Content-Length \"\";
    proxy_pass http://taken; proxy_http_version 1.1; proxy_set_header Connection \"\";
  }}
}}
server {{ listen {third} ssl backlog=4096; listen {fourth} ssl backlog=4096; root {files};
  ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_ecdh_curve X25519;
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
        let authority = Authority::new("bench");
        let certificate = authority.server(&[NAME]).write(files, "bench");
        let authority = authority.write(files, "authority");
        let [cleartext, tls] = [(); 2].map(|()| [free_address(), free_address()]);
        let [[first, second], [third, fourth]] =
            [cleartext, tls].map(|two| two.map(|address| address.to_string()));
        let [chain, key] =
            [&certificate.certificate, &certificate.key].map(|file| file.display().to_string());
        let files = files.display().to_string();
        let text = servers([&first, &second], [&third, &fourth], &chain, &key, &files);
        write_configuration(folder.path(), 1, &text);
        let process = launch(folder.path());
        wait_until_it_answers(cleartext[0]);
        Backends { cleartext, tls, certificate, authority, process, _folder: folder }
    }

    /// Where the proxies find them.
    pub(crate) fn addresses(&self, setting: Setting) -> [SocketAddr; 2] {
        match setting {
            Setting::Plain | Setting::Logging | Setting::Tls => self.cleartext,
            Setting::TlsToBackends => self.tls,
        }
    }

    /// Their processes.
    pub(crate) fn family(&self) -> Vec<u32> {
        self.process.family()
    }

    /// The configuration, for the report.
    pub(crate) fn configuration() -> String {
        let [cleartext, tls] = [["BACKEND-1", "BACKEND-2"], ["TLS-BACKEND-1", "TLS-BACKEND-2"]];
        servers(cleartext, tls, "CERTIFICATE", "KEY", "FILES")
    }
}
