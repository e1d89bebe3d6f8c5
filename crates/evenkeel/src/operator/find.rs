//! Which backend an operator means.

use evenkeel_model::{Address, Order};

use super::Failure;
use super::standing::{Backend, Pool, Standing};
use crate::likeness::did_you_mean;

/// Most names that are listed.
const MOST_NAMES: usize = 20;

/// A backend that was meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pool: String,
    pub(super) label: String,
    pub(super) address: String,
}

/// The one backend with this name or address, or as `POOL/BACKEND`.
pub(super) fn find(standing: &Standing, written: &str, pool: Option<&str>) -> Result<Found, Failure> {
    if let Some(pool) = pool.filter(|pool| standing.pool(pool).is_none()) {
        return Err(standing.no_pool(pool));
    }
    let pools = || standing.pools.iter().filter(|one| pool.is_none_or(|pool| pool == one.name));
    let every = || pools().flat_map(|pool| pool.backends.iter().map(move |backend| (pool, backend)));
    let found: Vec<_> = every().filter(|(pool, backend)| is_meant(pool, backend, written)).collect();
    match found[..] {
        [(pool, backend)] => Ok(Found::of(pool, backend)),
        [] => {
            let names = every().flat_map(|(pool, backend)| [backend.label.clone(), full(pool, backend)]);
            let names: Vec<_> = names.collect();
            Err(unknown(written, &names, every().map(|(pool, backend)| full(pool, backend)).collect()))
        }
        _ => {
            let names = listed(found.iter().map(|(pool, backend)| full(pool, backend)).collect());
            let error = format!("several backends are called `{written}`");
            Err(Failure::new(error, format!("write one of {names}")))
        }
    }
}

/// Names may hold slashes, so every reading is tried.
fn is_meant(pool: &Pool, backend: &Backend, written: &str) -> bool {
    let in_pool = written.strip_prefix(&*pool.name).and_then(|rest| rest.strip_prefix('/'));
    is_called(backend, written) || in_pool.is_some_and(|written| is_called(backend, written))
}

fn is_called(backend: &Backend, written: &str) -> bool {
    let canonical = written.parse::<Address>().map(|address| address.to_string());
    backend.label == written || backend.address == written || canonical.is_ok_and(|it| it == backend.address)
}

fn full(pool: &Pool, backend: &Backend) -> String {
    format!("{}/{}", pool.name, backend.label)
}

fn unknown(written: &str, known: &[String], all: Vec<String>) -> Failure {
    let meant = did_you_mean(written, known.iter().map(String::as_str));
    let help = format!("{meant}the backends are {}", listed(all));
    Failure::new(format!("there is no backend `{written}`"), help)
}

fn listed(names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let shown: Vec<_> = names.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more (`evenkeel backend list`)") };
    format!("{}{more}", shown.join(", "))
}

impl Found {
    fn of(pool: &Pool, backend: &Backend) -> Found {
        Found { pool: pool.name.clone(), label: backend.label.clone(), address: backend.address.clone() }
    }

    /// Where an order about it goes. Its address tells it from others with its name.
    pub(super) fn path(&self, order: Order) -> String {
        let (pool, backend) = (encoded(&self.pool), encoded(&self.address));
        format!("/api/pools/{pool}/backends/{backend}/{}", order.as_str())
    }
}

/// Percent-encoded, but for what RFC 3986, section 2.3, calls unreserved.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::standing::tests::{backend, standing};
    use super::*;

    fn scene() -> Standing {
        let named = |label, address| backend(label, address, json!({}));
        let web = [
            named("blue", "127.0.0.1:3000"),
            named("green", "app.internal:80"),
            named("unix:/run/a.sock", "unix:/run/a.sock"),
            named("a/b", "127.0.0.1:3001"),
        ];
        let api = [named("blue", "127.0.0.1:4000"), named("127.0.0.1:4001", "127.0.0.1:4001")];
        standing(&[("web", &web), ("api", &api)])
    }

    #[test]
    fn a_backend_is_meant_by_name_by_address_or_with_its_pool() {
        let standing = scene();
        for (written, pool, address) in [
            ("green", None, "app.internal:80"),
            ("127.0.0.1:3000", None, "127.0.0.1:3000"),
            ("App.Internal:80", None, "app.internal:80"),
            ("unix:/run/a.sock", None, "unix:/run/a.sock"),
            ("web/unix:/run/a.sock", None, "unix:/run/a.sock"),
            ("a/b", None, "127.0.0.1:3001"),
            ("web/a/b", None, "127.0.0.1:3001"),
            ("web/blue", None, "127.0.0.1:3000"),
            ("api/blue", None, "127.0.0.1:4000"),
            ("blue", Some("api"), "127.0.0.1:4000"),
            ("api/blue", Some("api"), "127.0.0.1:4000"),
            ("api/127.0.0.1:4001", None, "127.0.0.1:4001"),
        ] {
            assert_eq!(find(&standing, written, pool).unwrap().address, address, "{written}");
        }
    }

    #[test]
    fn who_is_unknown_or_not_alone_is_answered_with_names() {
        let standing = scene();
        for (written, pool, error, help) in [
            ("blue", None, "several backends are called `blue`", "write one of `web/blue`, `api/blue`"),
            (
                "geren",
                None,
                "there is no backend `geren`",
                "did you mean `green`? the backends are `web/blue`, ",
            ),
            ("web/geren", None, "there is no backend `web/geren`", "did you mean `web/green`? "),
            ("green", Some("api"), "there is no backend `green`", "the backends are `api/blue`, "),
            ("green", Some("wbe"), "there is no pool `wbe`", "did you mean `web`? "),
        ] {
            let failure = find(&standing, written, pool).unwrap_err();
            assert_eq!(failure.error, error);
            assert!(failure.help.contains(help), "{failure:?}");
        }
    }

    #[test]
    fn a_long_list_is_cut() {
        let names = (0..MOST_NAMES + 5).map(|index| index.to_string()).collect();
        assert!(listed(names).ends_with("`19` and 5 more (`evenkeel backend list`)"));
    }

    #[test]
    fn names_are_encoded_in_a_path() {
        let found = Found { pool: "a/b".into(), label: "x".into(), address: "unix:/run/a b%.sock".into() };
        assert_eq!(found.path(Order::Drain), "/api/pools/a%2Fb/backends/unix%3A%2Frun%2Fa%20b%25.sock/drain");
    }
}
