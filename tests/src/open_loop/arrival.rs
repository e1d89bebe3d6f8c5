//! When requests arrive, and what they ask for.

use std::time::Duration;

/// One request in so many is a POST: one of each so many, by chance the first or the last. Were it always the same, turns
/// among three backends and requests that are repeated could fall into step.
const POSTS: usize = 5;

/// What is asked for, in turn.
const PATHS: [&str; 4] = ["/", "/a", "/b/c", "/api/v1/items"];

/// What is posted to, in turn.
const POST_PATHS: [&str; 2] = ["/orders", "/api/v1/items"];

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// After the begin.
    pub at: Duration,
    /// Whether it is a POST, else a GET.
    pub is_post: bool,
    /// What it asks for, or is posted to.
    pub path: &'static str,
}

/// The target tells backends, and logs, which request it is.
pub fn target(id: usize, path: &str) -> String {
    format!("{path}?id={id}")
}

/// The number of a request, by its target; probes have none.
pub fn id(target: &str) -> Option<usize> {
    target.split_once("?id=")?.1.parse().ok()
}

/// Times with the same distance, so many a second.
pub fn evenly(seconds: f64, rate: f64) -> Vec<Duration> {
    let due = |index| Duration::from_secs_f64(f64::from(index) / rate);
    (0..(seconds * rate).round() as u32).map(due).collect()
}

/// Requests at these times: one in five is a POST, and they ask for several things.
pub fn mixed(at: Vec<Duration>) -> Vec<Arrival> {
    at.into_iter().enumerate().map(|(index, at)| arrival(index, at)).collect()
}

fn arrival(index: usize, at: Duration) -> Arrival {
    let is_post = index % POSTS == chance(index / POSTS) % POSTS;
    let path = if is_post { POST_PATHS[index % POST_PATHS.len()] } else { PATHS[index % PATHS.len()] };
    Arrival { at, is_post, path }
}

/// A number that is the same in every run and looks like none in particular (the finaliser of SplitMix64).
fn chance(seed: usize) -> usize {
    let mixed = (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_request_in_five_is_a_post() {
        let arrivals = mixed(evenly(10.0, 200.0));
        assert_eq!(arrivals.len(), 2000);
        let posts = arrivals.iter().filter(|arrival| arrival.is_post).count();
        assert_eq!(posts, 400);
        let places = arrivals.chunks(5).filter_map(|five| five.iter().position(|arrival| arrival.is_post));
        let places: BTreeSet<_> = places.collect();
        assert_eq!(places.len(), 5);
        assert!(arrivals.is_sorted_by_key(|arrival| arrival.at));
    }

    #[test]
    fn a_target_tells_the_number_of_its_request() {
        assert_eq!(id(&target(7, "/a")), Some(7));
        assert_eq!(id("/healthz"), None);
    }
}
