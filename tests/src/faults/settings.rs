//! The configurations, word for word: the smallest that each product's manual shows, and one as an expert would tune it.

use evenkeel_tests::product::Product;

use crate::contestant::Contestant;
use crate::fault::BACKENDS;

/// The configuration of a contestant.
pub(crate) fn of(contestant: &Contestant, listen: &str, backends: [&str; BACKENDS]) -> String {
    let text = match (&contestant.product, contestant.is_tuned) {
        (Product::Haproxy, false) => HAPROXY,
        (Product::Haproxy, true) => HAPROXY_TUNED,
        (Product::Nginx, false) => NGINX,
        (Product::Nginx, true) => NGINX_TUNED,
        (Product::Evenkeel(_), false) => EVENKEEL,
        (Product::Evenkeel(_), true) => EVENKEEL_TUNED,
    };
    let [one, two, three] = backends;
    let places = [("PROXY", listen), ("BACKEND-1", one), ("BACKEND-2", two), ("BACKEND-3", three)];
    places.iter().fold(text.to_owned(), |text, (place, address)| text.replace(place, address))
}

/// The manual's first example, with `check` and three servers, without its limits of 256 and 32 connections: those would
/// have the clients of a hung server wait for each other.
const HAPROXY: &str = "\
defaults
  mode http
  timeout connect 5000ms
  timeout client 50000ms
  timeout server 50000ms
frontend http-in
  bind PROXY
  default_backend servers
backend servers
  server one BACKEND-1 check
  server two BACKEND-2 check
  server three BACKEND-3 check
";

const HAPROXY_TUNED: &str = "\
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 2s
  timeout queue 5s
  timeout http-request 10s
  timeout http-keep-alive 75s
  timeout check 500ms
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
  default-server check inter 500ms fall 2 rise 2 observe layer7 error-limit 3 on-error mark-down
  server one BACKEND-1
  server two BACKEND-2
  server three BACKEND-3
";

/// The manual's example of load balancing, with three servers and no limit but nginx's own.
const NGINX: &str = "\
events {}
http {
  upstream servers {
    server BACKEND-1;
    server BACKEND-2;
    server BACKEND-3;
  }
  server {
    listen PROXY;
    location / { proxy_pass http://servers; }
  }
}
";

const NGINX_TUNED: &str = "\
worker_processes auto;
worker_rlimit_nofile 20000;
events { worker_connections 8000; }
http {
  upstream servers {
    zone servers 64k;
    server BACKEND-1 max_fails=3 fail_timeout=2s;
    server BACKEND-2 max_fails=3 fail_timeout=2s;
    server BACKEND-3 max_fails=3 fail_timeout=2s;
    keepalive 64;
  }
  server {
    listen PROXY;
    location / {
      proxy_pass http://servers;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_next_upstream error timeout invalid_header http_502 http_503 http_504;
      proxy_next_upstream_tries 3;
      proxy_connect_timeout 1s;
      proxy_read_timeout 2s;
    }
  }
}
";

const EVENKEEL: &str = "\
admin: { address: \"127.0.0.1:0\" }
listeners: [{ address: \"PROXY\" }]
pools: { web: { backends: [\"BACKEND-1\", \"BACKEND-2\", \"BACKEND-3\"] } }
";

const EVENKEEL_TUNED: &str = "\
admin: { address: \"127.0.0.1:0\" }
listeners: [{ address: \"PROXY\" }]
pools:
  web:
    backends: [\"BACKEND-1\", \"BACKEND-2\", \"BACKEND-3\"]
    timeouts: { connect: 1s, head: 2s }
    stall: { floor: 250ms }
    health:
      probe: { path: /healthz, interval: 500ms, timeout: 500ms, fall: 2, rise: 2 }
      eject: { wait: 2s }
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_configuration_is_filled() {
        for product in [Product::Haproxy, Product::Nginx, Product::Evenkeel("evenkeel".into())] {
            for is_tuned in [false, true] {
                let contestant = Contestant { product: product.clone(), is_tuned };
                let text = of(&contestant, "a:1", ["b:2", "c:3", "d:4"]);
                assert!(["a:1", "b:2", "c:3", "d:4"].iter().all(|address| text.contains(address)), "{text}");
                assert!(!text.contains("PROXY") && !text.contains("BACKEND"), "{text}");
            }
        }
    }
}
