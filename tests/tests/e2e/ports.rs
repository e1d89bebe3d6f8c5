//! A machine without a free local port, in a network of its own: the failure is named, and another backend may do.

use std::process::Command;

use evenkeel_tests::balancer::program;

/// Runs with a network of its own, and prints what curl was answered.
const SCRIPT: &str = r#"
set -eu
ip link set lo up
echo "50000 50003" > /proc/sys/net/ipv4/ip_local_port_range
started=
trap 'kill $started' EXIT
soon() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 200 ]; sleep 0.05; done }

"$EVENKEEL" fault-backend --listen 127.0.0.1:3000 --listen 127.0.0.2:3000 >/dev/null 2>&1 &
started="$started $!"
"$EVENKEEL" run -c evenkeel.yaml >/dev/null 2>&1 &
started="$started $!"
soon curl -sf -o /dev/null http://127.0.0.3:9180/readyz

# Four requests that hang take every port there is towards this backend.
for n in 1 2 3 4; do
    curl -s -m 60 -o /dev/null -H 'Host: one.test' http://127.0.0.1:8080/fault/hang &
    started="$started $!"
done
are_hanging() { curl -s http://127.0.0.3:9180/metrics | grep -q 'in_flight_requests{pool="one",[^}]*} 4'; }
soon are_hanging

curl -s -i -m 10 -H 'Host: one.test' http://127.0.0.2:8080/
# On one connection, since a client needs ports, too.
curl -s -m 10 -w 'two: %{http_code}\n' -d x -H 'Host: two.test' \
    'http://127.0.0.2:8080/[1-4]' -o /dev/null -o /dev/null -o /dev/null -o /dev/null
curl -s http://127.0.0.3:9180/metrics | grep 'backend_failures_total{pool="two"'
"#;

const CONFIGURATION: &str = r#"
admin: { address: "127.0.0.3:9180" }
access_log: off
listeners:
  - { name: a, address: "127.0.0.1:8080" }
  - { name: b, address: "127.0.0.2:8080" }
routes:
  - { match: { host: one.test }, pool: one }
  - { match: { host: two.test }, pool: two }
pools:
  one: { backends: ["127.0.0.1:3000"], stall: off, health: { eject: off } }
  two: { backends: ["127.0.0.1:3000", "127.0.0.2:3000"], health: { eject: off } }
"#;

#[test]
fn without_a_local_port_the_failure_is_named_and_another_backend_may_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evenkeel.yaml"), CONFIGURATION).unwrap();
    // Who is not root becomes root of the new network alone.
    let own_network = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let ran = Command::new("timeout")
        .args(["60", "unshare", own_network, "bash", "-c", SCRIPT])
        .env("EVENKEEL", program())
        .current_dir(folder.path())
        .output()
        .expect("timeout is a program of every Debian");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));

    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    let status = r#"Proxy-Status: evenkeel; error=proxy_internal_error; next-hop="one"; details="local_resource: EADDRNOTAVAIL""#;
    assert!(said.contains(status), "{said}");
    assert!(said.contains("\r\nRetry-After: 1\r\n"), "{said}");
    assert_eq!(
        said.matches("two: 200\n").count(),
        4,
        "a POST of which nothing was sent goes elsewhere: {said}"
    );
    assert!(said.contains(r#"cause="local_resource"} "#), "{said}");
}
