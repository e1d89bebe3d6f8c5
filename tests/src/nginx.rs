//! Real nginx processes as backends: killed, stopped, restarted, told to answer 502.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{self, Process};
use crate::reserved::Reserved;
use crate::tools::tool;
use crate::{client, wait};

/// Longest that nginx takes for anything.
const SOON: Duration = Duration::from_secs(10);

/// One nginx, master and workers, on a port of its own.
pub struct Nginx {
    folder: TempDir,
    name: String,
    place: Reserved,
    process: Option<Process>,
}

impl Nginx {
    /// Starts one that answers every request with 200 and `NAME URI`.
    pub fn start(name: &str) -> Nginx {
        let mut nginx = Nginx::prepare(name);
        nginx.answer(200);
        nginx.run();
        nginx
    }

    /// Starts one with one worker and this in its `http` block, which is told where to listen and its own folder.
    pub fn start_with(name: &str, http: impl FnOnce(SocketAddr, &Path) -> String) -> Nginx {
        let mut nginx = Nginx::prepare(name);
        write_configuration(nginx.folder(), 1, &http(nginx.place.address, nginx.folder()));
        nginx.run();
        nginx
    }

    fn prepare(name: &str) -> Nginx {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Nginx { folder, name: name.to_owned(), place: Reserved::default(), process: None }
    }

    /// Its prefix.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// As a configuration names it.
    pub fn address(&self) -> String {
        self.place.address.to_string()
    }

    /// Starts it (again) on its address, and waits until it answers.
    pub fn run(&mut self) {
        self.process = Some(launch(self.folder.path()));
        wait_until_it_answers(self.place.address);
    }

    /// Kills master and workers.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Ends it as a service manager does, within a deadline; connections are closed at once.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("a running nginx");
        process.signal(Signal::TERM);
        process.wait(SOON);
    }

    /// Stops master and workers where they are: the kernel still accepts connections, nobody answers.
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Has it read its configuration again, and waits until new workers serve.
    pub fn reload(&self) {
        let process = self.process.as_ref().expect("a running nginx");
        let before = process.family();
        process.signal(Signal::HUP);
        wait::until_true(SOON, "new workers of nginx", || {
            let family = process.family();
            family.iter().filter(|id| !before.contains(id)).count() > 0
        });
    }

    /// From now on, answer every request with this status.
    pub fn answer_with(&self, status: u16) {
        self.answer(status);
        let process = self.process.as_ref().expect("a running nginx");
        process.signal(Signal::HUP);
        wait::until_true(SOON, "nginx to take its configuration", || {
            client::try_get(self.place.address, "/").is_ok_and(|response| response.status == status)
        });
    }

    fn answer(&self, status: u16) {
        let server = format!(
            "server {{ listen {}; keepalive_requests 1000000; default_type text/plain; \
             location / {{ return {status} \"{} $request_uri\"; }} }}",
            self.place.address, self.name
        );
        write_configuration(self.folder.path(), 2, &server);
    }

    fn signal_all(&self, signal: Signal) {
        let process = self.process.as_ref().expect("a running nginx");
        for id in process.family() {
            process::send(id, signal);
        }
    }
}

/// An address on loopback that was free a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the kernel has a free port");
    listener.local_addr().unwrap()
}

/// Writes `nginx.conf` with these servers into a folder that becomes nginx's prefix.
pub fn write_configuration(folder: &Path, workers: usize, servers: &str) {
    let configuration = format!(
        "worker_processes {workers}; worker_rlimit_nofile 20000; worker_shutdown_timeout 5s;\n\
         events {{ worker_connections 16000; }}\nhttp {{\n{servers}\n}}\n"
    );
    write_whole_configuration(folder, &configuration);
}

/// Writes `nginx.conf` into a folder that becomes nginx's prefix: a whole configuration, to which only that is added which
/// keeps nginx in that folder and in the foreground.
pub fn write_whole_configuration(folder: &Path, configuration: &str) {
    let user = match rustix::process::geteuid().is_root() {
        true => "user root;",
        false => "",
    };
    let stay = "http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;";
    let configuration = configuration.replacen("http {", stay, 1);
    let configuration = format!("{user} daemon off; pid nginx.pid; error_log stderr error;\n{configuration}");
    std::fs::write(folder.join("nginx.conf"), configuration).unwrap();
}

/// Runs nginx with a folder as its prefix.
pub fn launch(folder: &Path) -> Process {
    let mut command = Command::new(tool("nginx"));
    command.arg("-p").arg(folder).args(["-c", "nginx.conf"]);
    command.args(["-e", "stderr"]);
    Process::start("nginx", command, folder)
}

/// Waits until something answers HTTP at an address.
#[track_caller]
pub fn wait_until_it_answers(address: SocketAddr) {
    wait::until_true(SOON, &format!("an answer from {address}"), || client::try_get(address, "/").is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_nginx_is_broken_and_mended() {
        let mut nginx = Nginx::start("a");
        assert_eq!(client::get(nginx.place.address, "/x").text(), "a /x");
        nginx.answer_with(502);
        nginx.answer_with(200);
        nginx.kill();
        assert!(client::try_get(nginx.place.address, "/").is_err());
        nginx.run();
        nginx.freeze();
        let mut waiting = client::Client::connect(nginx.place.address);
        waiting.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        waiting.wait_at_most(Duration::from_millis(200));
        assert!(waiting.try_response("GET").is_err());
        nginx.thaw();
        assert_eq!(waiting.wait_at_most(SOON).response("GET").status, 200);
    }
}
