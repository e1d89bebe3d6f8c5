//! What systemd is told, from the start to the end.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::running::{PATIENCE, Running, command};

fn next(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("a notification in time");
    String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
}

#[test]
fn a_node_says_when_it_serves_reloads_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let file = folder.path().join("evenkeel.yaml");
    let text = "admin: { address: \"127.0.0.1:0\" }\nlisteners: [{ address: \"127.0.0.1:0\" }]\n\
                drain_timeout: 1s\naccess_log: off\npools: { web: { backends: [\"127.0.0.1:1\"] } }\n";
    std::fs::write(&file, text).unwrap();
    let mut command = command(&["run", "-c", file.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &path);
    let mut node = Running::start(command);
    assert_eq!(next(&socket), ["READY=1"]);

    // A file that is refused ends a reload just as well.
    for text in [text, "listeners: 7\n"] {
        std::fs::write(&file, text).unwrap();
        node.signal(Signal::HUP);
        let reloading = next(&socket);
        assert_eq!(reloading[0], "RELOADING=1");
        let time = reloading[1].strip_prefix("MONOTONIC_USEC=").expect("the time of the reload");
        assert!(time.parse::<u64>().unwrap() > 0);
        assert_eq!(next(&socket), ["READY=1"]);
    }

    node.signal(Signal::TERM);
    assert_eq!(next(&socket), ["STOPPING=1"]);
    assert!(node.wait().success());
}
