//! The configurations, word for word: the same probes, the same timeouts, the same slow start.

use evenkeel_tests::fleet::BACKENDS;

use crate::contestant::Contestant;
use crate::scenario::Scenario;

/// What evenkeel is told besides where a backend is slow: slowness is no failure, unless somebody says so.
pub(crate) const LATENCY: &str = "eject: { latency: 10 }";

/// The configuration of a contestant; what it is in any scenario, or in this one.
pub(crate) fn of(
    contestant: &Contestant,
    scenario: Option<Scenario>,
    listen: &str,
    door: &str,
    backends: [&str; BACKENDS],
) -> String {
    let (text, observe) = match contestant {
        Contestant::Haproxy => (HAPROXY, ""),
        Contestant::HaproxyObserving => (HAPROXY, " observe layer7 error-limit 3 on-error mark-down"),
        Contestant::Evenkeel(_) => (EVENKEEL, ""),
    };
    let [one, two, three] = backends;
    let places = [
        (" OBSERVE", observe),
        ("PROXY", listen),
        ("DOOR", door),
        ("BACKEND-1", one),
        ("BACKEND-2", two),
        ("BACKEND-3", three),
    ];
    let text = match scenario {
        Some(Scenario::Slow) => {
            text.replace("      slow_start", &format!("      {LATENCY}\n      slow_start"))
        }
        _ => text.to_owned(),
    };
    places.iter().fold(text, |text, (place, with)| text.replace(place, with))
}

/// Its retries are those of the comparison of faults: the best that it has.
const HAPROXY: &str = "\
global
  stats socket DOOR
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 2s
  timeout queue 5s
  timeout http-request 10s
  timeout http-keep-alive 75s
  timeout check 400ms
  retries 3
  option redispatch 1
  retry-on all-retryable-errors
  option httpchk GET /healthz
frontend http-in
  bind PROXY
  default_backend servers
backend servers
  balance roundrobin
  http-request disable-l7-retry if METH_POST
  default-server check inter 500ms fall 2 rise 2 slowstart 2s OBSERVE
  server one BACKEND-1
  server two BACKEND-2
  server three BACKEND-3
";

const EVENKEEL: &str = "\
admin: { address: \"DOOR\" }
listeners: [{ address: \"PROXY\" }]
pools:
  web:
    backends: [\"BACKEND-1\", \"BACKEND-2\", \"BACKEND-3\"]
    timeouts: { connect: 1s, head: 2s }
    health:
      probe: { path: /healthz, interval: 500ms, timeout: 400ms, fall: 2, rise: 2 }
      slow_start: 2s
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenkeel_alone_can_be_told_that_slowness_is_a_failure() {
        let slow = |contestant| of(&contestant, Some(Scenario::Slow), "a:1", "door", ["b:2", "c:3", "d:4"]);
        assert!(slow(Contestant::Evenkeel("evenkeel".into())).contains(LATENCY));
        assert!(!slow(Contestant::Haproxy).contains(LATENCY));
    }

    #[test]
    fn every_place_of_a_configuration_is_filled() {
        for contestant in
            [Contestant::Haproxy, Contestant::HaproxyObserving, Contestant::Evenkeel("evenkeel".into())]
        {
            let text = of(&contestant, None, "a:1", "door", ["b:2", "c:3", "d:4"]);
            assert!(["a:1", "door", "b:2", "c:3", "d:4"].iter().all(|place| text.contains(place)), "{text}");
            assert!(
                ["PROXY", "DOOR", "BACKEND", "OBSERVE"].iter().all(|place| !text.contains(place)),
                "{text}"
            );
            assert_eq!(text.contains("observe"), contestant == Contestant::HaproxyObserving);
        }
    }
}
