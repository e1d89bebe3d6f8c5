//! The system's CAs: a reading that finds others is a change.

use std::env;
use std::process::Command;
use std::sync::Arc;

use evenkeel_config::{Plan, parse};
use evenkeel_tls::Dial;

use crate::certificates::{Authority, Folder};

/// Where rustls-native-certs finds the system's CAs, if it is set.
const STORE: &str = "SSL_CERT_FILE";

const TEXT: &str = "listeners: [{ address: \"127.0.0.1:8080\" }]\n\
                    routes: [{ match: { path: /a/ }, pool: a }, { pool: b }]\n\
                    pools: { a: { backends: [\"https://a.internal\"] }, b: { backends: [\"https://b.internal\"] } }\n";

fn read() -> Plan {
    parse(TEXT, "test.yaml", &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
}

fn dial(plan: &Plan) -> &Arc<Dial> {
    plan.pools[0].backends[0].tls.as_ref().unwrap()
}

/// Whether the clients of two plans are the very same, so that sessions go on.
fn is_same(one: &Plan, other: &Plan) -> bool {
    Arc::ptr_eq(dial(one), dial(other))
}

#[test]
fn changed_cas_of_the_system_are_taken_up_by_a_reload_and_by_a_reading_of_the_files() {
    // The process's environment belongs to all tests, so a process of its own has another.
    let Some(store) = env::var_os("EVENKEEL_TEST_STORE") else {
        let folder = Folder::new();
        let store = folder.0.path().join("store.pem");
        let status = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "system::changed_cas_of_the_system_are_taken_up_by_a_reload_and_by_a_reading_of_the_files",
            ])
            .env("EVENKEEL_TEST_STORE", &store)
            .env(STORE, &store)
            .env_remove("SSL_CERT_DIR")
            .status();
        assert!(status.unwrap().success());
        return;
    };
    let (one, other) = (Authority::new().pem, Authority::new().pem);
    std::fs::write(&store, format!("{one}{other}")).unwrap();
    let before = read();
    assert!(before.believes_system());
    // In another order they are the same.
    std::fs::write(&store, format!("{other}{one}")).unwrap();
    let mut same = read();
    same.carry_over(&before);
    assert!(is_same(&same, &before) && same == before);
    let reread = before.reread();
    assert!(reread.problems.is_empty() && is_same(&reread.plan, &before));

    std::fs::write(&store, &other).unwrap();
    let mut reloaded = read();
    assert_eq!(reloaded.diff(&before).len(), 2, "{:?}", reloaded.diff(&before));
    reloaded.carry_over(&before);
    assert!(!is_same(&reloaded, &before) && reloaded != before);
    let reread = before.reread();
    assert!(reread.problems.is_empty() && reread.plan == reloaded);

    // A store that cannot be read, or is empty, leaves what was believed before.
    std::fs::write(&store, "").unwrap();
    let reread = before.reread();
    assert!(!reread.problems.is_empty() && is_same(&reread.plan, &before), "{:?}", reread.problems);
    std::fs::remove_file(&store).unwrap();
    let reread = before.reread();
    assert!(!reread.problems.is_empty() && is_same(&reread.plan, &before), "{:?}", reread.problems);
}
