//! What a newcomer reads first, above all when something is in the way.

use std::net::TcpListener;

use crate::running::{Running, command};

/// Exit code and standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let mut program = Running::start(command(arguments));
    let code = program.wait().code();
    (code, program.errors())
}

#[test]
fn a_busy_port_of_the_demo_is_said_with_the_flag_that_changes_it() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    for (arguments, flag) in [
        (["demo", "--listen", &address, "--admin", "127.0.0.1:0"], "`--listen ADDR`"),
        (["demo", "--listen", "127.0.0.1:0", "--admin", &address], "`--admin ADDR`"),
    ] {
        let (code, errors) = run(&arguments);
        assert_eq!(code, Some(1));
        assert!(errors.contains(&address) && errors.contains("in use") && errors.contains(flag), "{errors}");
    }
}

#[test]
fn every_busy_address_is_named_at_once() {
    let busy = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [listen, admin] = busy.each_ref().map(|socket| socket.local_addr().unwrap().to_string());
    let (code, errors) = run(&["demo", "--listen", &listen, "--admin", &admin]);
    assert_eq!(code, Some(1));
    assert!(errors.contains(&listen) && errors.contains(&admin), "{errors}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (code, errors) = run(&["run", "-c", "/nonexistent/evenkeel.yaml"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("/nonexistent/evenkeel.yaml"), "{errors}");
}

#[test]
fn a_run_without_a_source_shows_how_to_give_one() {
    let (code, errors) = run(&["run"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("--config <FILE>"), "{errors}");
}
