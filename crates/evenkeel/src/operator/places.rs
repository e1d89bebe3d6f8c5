//! Where a running node may be found.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use evenkeel_config::AdminSocket;

use super::Failure;
use super::arguments::NodeArguments;
use crate::admin_socket::usual_places;

/// Where a node's admin listener is unless it is configured.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// A door of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The admin socket, which takes orders.
    Socket(PathBuf),
    /// The admin address, which is read-only.
    Address(SocketAddr),
}

/// Where to look, in this order.
pub(super) fn candidates(node: &NodeArguments) -> Result<Vec<Place>, Failure> {
    choose(node, std::env::var("EVENKEEL_ADMIN").ok().as_deref(), usual_places())
}

fn choose(node: &NodeArguments, variable: Option<&str>, usual: Vec<PathBuf>) -> Result<Vec<Place>, Failure> {
    if let Some(place) = &node.admin {
        return Ok(vec![place.clone()]);
    }
    if let Some(text) = variable.filter(|text| !text.is_empty()) {
        let place = text.parse().map_err(|error| Failure::new(format!("EVENKEEL_ADMIN: {error}"), ""))?;
        return Ok(vec![place]);
    }
    if let Some(file) = &node.config {
        return of_file(file, usual);
    }
    let sockets = usual.into_iter().map(Place::Socket);
    Ok(sockets.chain([Place::Address(USUAL_ADDRESS)]).collect())
}

fn of_file(file: &Path, usual: Vec<PathBuf>) -> Result<Vec<Place>, Failure> {
    let plan = evenkeel_config::load(file).map_err(|problems| Failure::new(problems.to_string(), ""))?;
    let sockets = match plan.admin.socket {
        AdminSocket::Off => Vec::new(),
        AdminSocket::Usual => usual,
        AdminSocket::At(path) => vec![path],
    };
    // Port 0 is the kernel's choice, which no file knows.
    let address = plan.admin.address.filter(|address| address.port() != 0);
    let places: Vec<_> = sockets.into_iter().map(Place::Socket).chain(address.map(Place::Address)).collect();
    if places.is_empty() {
        let error = format!("{} has neither an admin socket nor an admin address", file.display());
        return Err(Failure::new(error, "`admin.socket` and `admin.address` are off there"));
    }
    Ok(places)
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.contains('/') && !text.contains("://") {
            return Ok(Place::Socket(path.into()));
        }
        let expected = "expected IP:PORT, for example 127.0.0.1:9180, or the path of a socket";
        text.parse().map(Place::Address).map_err(|_| format!("`{text}`: {expected}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Socket(path) => path.display().fmt(out),
            Place::Address(address) => address.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(path: &str) -> Place {
        Place::Socket(path.into())
    }

    fn address(text: &str) -> Place {
        Place::Address(text.parse().unwrap())
    }

    #[test]
    fn a_place_is_a_path_or_an_address() {
        for (text, place) in [
            ("/run/a.sock", Some(socket("/run/a.sock"))),
            ("unix:/run/a.sock", Some(socket("/run/a.sock"))),
            ("./a.sock", Some(socket("./a.sock"))),
            ("127.0.0.1:9180", Some(address("127.0.0.1:9180"))),
            ("[::1]:9180", Some(address("[::1]:9180"))),
            ("9180", None),
            ("http://127.0.0.1:9180", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), place, "{text}");
        }
    }

    #[test]
    fn the_flag_goes_before_the_variable_before_the_file_before_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let rest =
            "listeners: [{ address: \"127.0.0.1:0\" }]\npools: { web: { backends: [\"127.0.0.1:1\"] } }\n";
        std::fs::write(&file, format!("admin: {{ address: \"127.0.0.1:7\" }}\n{rest}")).unwrap();
        let usual = || vec![PathBuf::from("/run/evenkeel/admin.sock")];
        let mut node = NodeArguments { admin: Some(socket("/a")), config: Some(file) };
        let mut variable = Some("127.0.0.1:8");
        assert_eq!(choose(&node, variable, usual()), Ok(vec![socket("/a")]));
        node.admin = None;
        assert_eq!(choose(&node, variable, usual()), Ok(vec![address("127.0.0.1:8")]));
        variable = Some("");
        let by_file = vec![socket("/run/evenkeel/admin.sock"), address("127.0.0.1:7")];
        assert_eq!(choose(&node, variable, usual()), Ok(by_file));
        node.config = None;
        let defaults = vec![socket("/run/evenkeel/admin.sock"), address("127.0.0.1:9180")];
        assert_eq!(choose(&node, None, usual()), Ok(defaults));
    }

    #[test]
    fn a_variable_that_is_no_place_is_said() {
        let node = NodeArguments::default();
        let error = choose(&node, Some("nonsense"), Vec::new()).unwrap_err();
        assert!(error.error.starts_with("EVENKEEL_ADMIN: `nonsense`"), "{error:?}");
    }

    #[test]
    fn a_file_without_doors_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let text = "admin: { address: \"127.0.0.1:0\" }\nlisteners: [{ address: \"127.0.0.1:0\" }]\n\
                    pools: { web: { backends: [\"127.0.0.1:1\"] } }\n";
        std::fs::write(&file, text).unwrap();
        assert!(of_file(&file, Vec::new()).is_err());
        assert_eq!(of_file(&file, vec!["/a".into()]), Ok(vec![socket("/a")]));
    }
}
