//! What a newcomer reads first, above all when something is in the way.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

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

#[test]
fn an_admin_socket_that_the_file_asks_for_is_had_or_the_node_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("orders.sock");
    let _live = UnixListener::bind(&socket).unwrap();
    let file = folder.path().join("evenkeel.yaml");
    let text = format!(
        "admin: {{ address: off, socket: {} }}\nlisteners: [{{ address: \"127.0.0.1:0\" }}]\n\
         pools: {{ web: {{ backends: [\"127.0.0.1:1\"] }} }}\n",
        socket.display()
    );
    std::fs::write(&file, text).unwrap();
    let (code, errors) = run(&["run", "-c", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    for wanted in [socket.to_str().unwrap(), "another evenkeel", "`admin.socket` in"] {
        assert!(errors.contains(wanted), "{wanted} is not in {errors}");
    }
    assert!(socket.exists());
}

#[test]
fn nobody_to_give_orders_to_is_said() {
    let (code, errors) = run(&["backend", "list", "--admin", "/nonexistent/admin.sock"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("no evenkeel answers") && errors.contains("help: "), "{errors}");
    let (code, errors) = run(&["backend", "drain"]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("<BACKEND>"), "{errors}");
}
