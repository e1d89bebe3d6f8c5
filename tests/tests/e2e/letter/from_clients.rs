//! Nothing ambiguous passes from a client, and nothing behind it is served.

use evenkeel_tests::backend::Script;

use super::cases;
use super::rig::{Delivery, rig, shared_out};

#[test]
fn what_must_be_refused_is_refused_however_it_arrives() {
    let cases = cases::all();
    assert!(cases.len() > 200, "{} cases", cases.len());
    shared_out(&cases, |cases| {
        let (backend, evenkeel) = rig(Script::Echo, "");
        let (address, mut delivered) = (evenkeel.address(), 0);
        for (case, delivery) in cases.iter().flat_map(|case| Delivery::ALL.map(|delivery| (case, delivery))) {
            let mut client = delivery.send(address, &case.bytes);
            let what = format!("{delivery:?}: {:?}", String::from_utf8_lossy(&case.bytes));
            let response = client.try_response("GET").unwrap_or_else(|error| panic!("{error}: {what}"));
            let text = response.text();
            assert_eq!((response.status, response.closes()), (case.status, true), "{what}: {text}");
            assert!(text.contains(&format!(" {}: ", case.token)), "{what}: {text}");
            assert!(response.field("x-request-id").is_some_and(|id| text.contains(id)), "{what}: {text}");
            client.expect_close();
            delivered += usize::from(delivery == Delivery::BehindAGoodOne);
            let targets: Vec<_> = backend.requests().iter().map(|request| request.target.clone()).collect();
            assert_eq!(targets, vec!["/before"; delivered], "{what}");
            let received = String::from_utf8_lossy(&backend.received()).into_owned();
            assert_eq!(received.matches("\r\n\r\n").count(), delivered, "{what}: {received}");
            assert!(received.is_empty() || received.ends_with("\r\n\r\n"), "{what}: {received}");
        }
    });
}
