//! `evenkeel demo`: its screen's own commands do what the screen says.

use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_tests::balancer::{self, Evenkeel};
use evenkeel_tests::client::{self, Client};
use evenkeel_tests::load::Load;
use evenkeel_tests::wait;
use rustix::process::Signal;

const PATIENCE: Duration = Duration::from_secs(30);

fn demo() -> Evenkeel {
    let mut command = balancer::command();
    command.args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    Evenkeel::launch(command, tempfile::tempdir().unwrap())
}

/// The address in the screen's `curl http://ADDRESS/control/hang` and its like.
fn address_of(evenkeel: &Evenkeel, command: &str) -> SocketAddr {
    wait::until(PATIENCE, &format!("{command} on the screen"), || {
        let output = evenkeel.output();
        let line = output.lines().find(|line| line.contains("curl") && line.ends_with(command));
        let url = line?.rsplit_once("http://")?.1;
        url.strip_suffix(command)?.parse().ok()
    })
}

#[test]
fn a_broken_backend_is_ejected_and_comes_back_while_every_request_succeeds() {
    let _turn = crate::turns::paced();
    let mut evenkeel = demo();
    let crowd = Load { connections: 4, ..Load::on(evenkeel.address()) };
    let crowd = crowd.start();
    crowd.wait_for(20);
    for breaking in ["/control/status/502", "/control/hang"] {
        let red = address_of(&evenkeel, breaking);
        assert_eq!(client::get(red, breaking).status, 200);
        wait::until_true(PATIENCE, "red to be ejected", || evenkeel.phase(&red.to_string()) == "ejected");
        assert_eq!(client::get(red, "/control/ok").status, 200);
        wait::until_true(PATIENCE, "red to serve again", || evenkeel.phase(&red.to_string()) == "serving");
    }
    crowd.expect_no_failure();
    evenkeel.signal(Signal::INT);
    assert_eq!(evenkeel.wait(PATIENCE).code(), Some(0));
}

#[test]
fn the_screen_tells_true_addresses() {
    let evenkeel = demo();
    assert_eq!(address_of(&evenkeel, "/metrics"), evenkeel.admin());
    assert_eq!(address_of(&evenkeel, "/api/status"), evenkeel.admin());
    let mut client = Client::connect(evenkeel.address());
    let mut answers: Vec<String> = (0..6).map(|_| client.get("/").text()).collect();
    answers.sort_unstable();
    answers.dedup();
    assert_eq!(answers.len(), 3, "{answers:?}");
}

#[test]
fn the_screen_says_where_more_faults_are() {
    let evenkeel = demo();
    let _shown = address_of(&evenkeel, "/control/hang");
    assert!(evenkeel.output().contains("evenkeel fault-backend --list"), "{}", evenkeel.output());
}

#[test]
fn a_busy_port_is_said_so_with_the_flag_that_changes_it() {
    let first = demo();
    let busy = first.address().to_string();
    let output =
        balancer::command().args(["demo", "--listen", &busy, "--admin", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("in use") && text.contains("--listen"), "{text}");
}
