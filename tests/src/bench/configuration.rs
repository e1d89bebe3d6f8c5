//! The proxies' configurations: for each the settings of its own that make the work equal.

use evenkeel_tests::product::Product;

use crate::clients::NAME;
use crate::setting::Setting;

/// What a configuration names.
pub(crate) struct Places<'a> {
    pub(crate) listen: &'a str,
    pub(crate) backends: [&'a str; 2],
    /// Where requests are logged: a socket for HAProxy, a file for the others.
    pub(crate) log: &'a str,
    pub(crate) certificate: &'a str,
    pub(crate) key: &'a str,
    /// Certificate and key in one file.
    pub(crate) both: &'a str,
    /// Who has signed the certificate.
    pub(crate) authority: &'a str,
}

/// Its configuration in a setting.
pub(crate) fn configuration(product: &Product, setting: Setting, places: &Places<'_>) -> String {
    match product {
        Product::Haproxy => haproxy(setting, places),
        Product::Nginx => nginx(setting, places),
        Product::Evenkeel(_) => evenkeel(setting, places),
    }
}

fn haproxy(setting: Setting, places: &Places<'_>) -> String {
    let Places { listen, backends: [first, second], log, both, authority, .. } = places;
    let [mut target, mut lines, mut bind, mut server] = [const { String::new() }; 4];
    match setting {
        Setting::Plain => {}
        Setting::Logging => {
            target = format!("\n  log {log} local0 info");
            lines.push_str("\n  log global\n  option httplog");
        }
        Setting::Tls => bind = format!(" ssl crt {both}"),
        Setting::TlsToBackends => {
            server = format!(" ssl verify required ca-file {authority} sni str({NAME}) verifyhost {NAME}");
        }
    }
    format!(
        "global
  nbthread 1
  maxconn 9500{target}
defaults
  mode http{lines}
  option http-keep-alive
  http-reuse always
  timeout connect 3s
  timeout client 60s
  timeout server 30s
  timeout http-request 10s
  timeout http-keep-alive 75s
frontend edge
  bind {listen}{bind}
  default_backend web
backend web
  balance roundrobin
  server one {first}{server}
  server two {second}{server}
"
    )
}

fn nginx(setting: Setting, places: &Places<'_>) -> String {
    let Places { listen, backends: [first, second], log, certificate, key, authority, .. } = places;
    let [mut access, mut ssl, mut pass] = ["off".to_owned(), String::new(), "http://web;".to_owned()];
    let mut files = String::new();
    match setting {
        Setting::Plain => {}
        Setting::Logging => access = format!("{log} combined"),
        Setting::Tls => {
            ssl.push_str(" ssl");
            files = format!(
                "\n    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;"
            );
        }
        Setting::TlsToBackends => {
            pass = format!(
                "https://web; proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_name {NAME}; proxy_ssl_server_name on;
      proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority};"
            );
        }
    }
    format!(
        "worker_processes 1; worker_rlimit_nofile 20000;
events {{ worker_connections 16000; }}
http {{
  keepalive_requests 100000000; client_body_buffer_size 128k;
  upstream web {{ server {first}; server {second}; keepalive 64; keepalive_requests 100000000; }}
  server {{ listen {listen}{ssl} backlog=4096; access_log {access};{files}
    location / {{ proxy_pass {pass} proxy_http_version 1.1; proxy_set_header Connection \"\"; }}
  }}
}}"
    )
}

fn evenkeel(setting: Setting, places: &Places<'_>) -> String {
    let Places { listen, backends: [first, second], log, certificate, key, authority, .. } = places;
    let [mut access, mut listener, mut pool] = ["off".to_owned(), String::new(), String::new()];
    let mut scheme = "";
    match setting {
        Setting::Plain => {}
        Setting::Logging => access = format!("{{ path: \"{log}\" }}"),
        Setting::Tls => {
            listener =
                format!(", tls: {{ certificates: [{{ certificate: \"{certificate}\", key: \"{key}\" }}] }}");
        }
        Setting::TlsToBackends => {
            scheme = "https://";
            pool = format!(", tls: {{ ca: \"{authority}\", server_name: {NAME} }}");
        }
    }
    format!(
        "admin: {{ address: \"127.0.0.1:0\" }}
workers: 1
access_log: {access}
listeners: [{{ name: edge, address: \"{listen}\", limits: {{ connections: 9500 }}{listener} }}]
pools: {{ web: {{ backends: [\"{scheme}{first}\", \"{scheme}{second}\"]{pool} }} }}
"
    )
}
