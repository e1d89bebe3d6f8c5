//! N8 of the failure table: what a request is told when this machine has run out of something, and whom that is blamed on.

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::structured;
use evenkeel_tests::wait;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::named::{entry, start, sum};

/// The process may use no descriptor beyond those below `most`; `None`: it may use what it is allowed.
fn limit_descriptors(evenkeel: &Evenkeel, most: Option<u64>) {
    // Inherited, and not to be raised again once it is lowered.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let id = Pid::from_raw(i32::try_from(evenkeel.id()).unwrap());
    let limit = Rlimit { current: most.or(maximum), maximum };
    prlimit(id, Resource::Nofile, limit).expect("a child's limits can be set");
}

/// The lowest descriptor that the process does not use, once no other connection is about to end.
fn lowest_free(evenkeel: &Evenkeel) -> Option<u64> {
    let is_used =
        |number: &u64| std::path::Path::new(&format!("/proc/{}/fd/{number}", evenkeel.id())).exists();
    let (mut before, mut same) = (None, 0);
    wait::until(SOON, "the descriptors to stay the same", || {
        let lowest = (0..).find(|number| !is_used(number));
        same = if lowest == before { same + 1 } else { 0 };
        before = lowest;
        (same == 20).then_some(lowest)
    })
}

#[test]
fn without_a_descriptor_for_a_backend_nobody_is_struck_and_nobody_else_is_asked() {
    let backends = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    let settings = ["health: { eject: { consecutive: 1, wait: 60s } }"];
    let evenkeel = start(&[("a", &backends[0]), ("b", &backends[1])], &settings);
    let mut client = Client::connect(evenkeel.address());
    // A connection to the client, and none to a backend.
    let options = client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").response("OPTIONS");
    assert_eq!(options.status, 204);
    limit_descriptors(&evenkeel, lowest_free(&evenkeel));
    let response = client.get("/shortage");
    let post = client.post("/post", b"x");
    limit_descriptors(&evenkeel, None);
    for response in [response, post] {
        assert_eq!((response.status, response.field("retry-after")), (503, Some("1")));
        assert!(response.text().starts_with("503 local_resource: "), "{}", response.text());
        let items = structured::list(&response.fields("proxy-status")).unwrap();
        assert_eq!(items[0].text("error"), Some("proxy_internal_error"));
        assert_eq!(items[0].text("details"), Some("local_resource: EMFILE"));
    }
    let entry = entry(&evenkeel, "/shortage");
    assert_eq!((&entry["cause"], &entry["origin"]), (&"local_resource".into(), &"proxy".into()), "{entry}");
    assert_eq!((&entry["class"], &entry["attempts"]), (&"not_sent".into(), &1.into()), "{entry}");
    let failures = sum(&evenkeel, "backend_failures_total", &[("cause", "local_resource")]);
    assert_eq!(failures, 2.0);
    assert_eq!(sum(&evenkeel, "pool_retries_total", &[]), 0.0);
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 200);
    assert_eq!(sum(&evenkeel, "backend_ejections_total", &[]), 0.0);
}
