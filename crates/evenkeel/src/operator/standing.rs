//! How the backends of a node stand, read from its `/api/status`.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Failure;
use super::client::Answer;
use crate::likeness::did_you_mean;

/// Of every pool, in configured order.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) pools: Vec<Pool>,
    /// As answered.
    raw: Value,
}

/// Only what is used here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) backends: Vec<Backend>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Backend {
    pub(super) label: String,
    pub(super) address: String,
    pub(super) weight: u16,
    pub(super) in_service: bool,
    pub(super) phase: String,
    pub(super) seconds_in_phase: u64,
    pub(super) evidence: String,
    pub(super) flapping: bool,
    pub(super) kept: Option<String>,
    pub(super) unresolved: Option<String>,
    pub(super) hold: Option<String>,
    pub(super) seconds_in_hold: Option<u64>,
    pub(super) hold_until: Option<String>,
    pub(super) hold_by_uid: Option<u32>,
    pub(super) ramp: f32,
    pub(super) in_flight: u64,
}

#[derive(Deserialize)]
struct Status {
    pools: Vec<Pool>,
}

impl Standing {
    pub(super) fn of(answer: &Answer) -> Result<Standing, Failure> {
        if answer.status != StatusCode::OK {
            return Err(super::refused(answer));
        }
        let raw = answer.json();
        let status = Status::deserialize(&raw);
        let status = status.map_err(|error| {
            let error = format!("the answer is no status of this version of evenkeel: {error}");
            Failure::new(error, "the program and the node should have one version")
        })?;
        Ok(Standing { pools: status.pools, raw })
    }

    pub(super) fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// Reduced to one pool.
    pub(super) fn only(mut self, name: &str) -> Result<Standing, Failure> {
        if self.pool(name).is_none() {
            return Err(self.no_pool(name));
        }
        self.pools.retain(|pool| pool.name == name);
        Ok(self)
    }

    /// That there is no such pool, with those that there are.
    pub(super) fn no_pool(&self, name: &str) -> Failure {
        let names = || self.pools.iter().map(|pool| pool.name.as_str());
        let listed: Vec<_> = names().map(|name| format!("`{name}`")).collect();
        let help = format!("{}the pools are {}", did_you_mean(name, names()), listed.join(", "));
        Failure::new(format!("there is no pool `{name}`"), help)
    }

    /// Every backend as the node tells it, with its pool.
    pub(super) fn json(&self) -> String {
        let pools = self.raw["pools"].as_array().into_iter().flatten();
        let pools = pools.filter(|pool| pool["name"].as_str().is_some_and(|name| self.pool(name).is_some()));
        let backends = pools.flat_map(|pool| {
            let backends = pool["backends"].as_array().into_iter().flatten();
            backends.map(|backend| {
                let mut backend = backend.clone();
                backend["pool"] = json!(pool["name"]);
                backend
            })
        });
        format!("{:#}", Value::Array(backends.collect()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A serving backend, with fields replaced.
    pub(in crate::operator) fn backend(label: &str, address: &str, changes: Value) -> Value {
        let mut backend = json!({
            "label": label, "address": address, "weight": 1, "in_service": true, "phase": "serving",
            "seconds_in_phase": 192, "evidence": "a request succeeded", "flapping": false, "kept": null,
            "unresolved": null, "hold": null, "seconds_in_hold": null, "hold_until": null, "hold_by_uid": null,
            "ramp": 1.0, "in_flight": 2,
        });
        for (field, value) in changes.as_object().unwrap() {
            backend[field] = value.clone();
        }
        backend
    }

    pub(in crate::operator) fn standing(pools: &[(&str, &[Value])]) -> Standing {
        let pools: Vec<_> =
            pools.iter().map(|(name, backends)| json!({ "name": name, "backends": backends })).collect();
        let body = json!({ "pools": pools }).to_string().into();
        Standing::of(&Answer { status: StatusCode::OK, body }).unwrap()
    }

    #[test]
    fn one_pool_is_shown_alone() {
        let blue = backend("blue", "127.0.0.1:1", json!({}));
        let two = || standing(&[("web", std::slice::from_ref(&blue)), ("api", std::slice::from_ref(&blue))]);
        let only = two().only("api").unwrap();
        let shown: Value = serde_json::from_str(&only.json()).unwrap();
        assert_eq!((shown.as_array().unwrap().len(), &shown[0]["pool"]), (1, &json!("api")));
        assert_eq!(shown[0]["label"], "blue");
        let failure = two().only("wbe").unwrap_err();
        assert_eq!(failure.help, "did you mean `web`? the pools are `web`, `api`");
    }

    #[test]
    fn what_is_no_status_is_said() {
        for body in ["{}", "nonsense", r#"{"pools":[{"name":"web"}]}"#] {
            let answer = Answer { status: StatusCode::OK, body: body.to_owned().into() };
            assert!(Standing::of(&answer).unwrap_err().error.contains("no status"));
        }
    }
}
