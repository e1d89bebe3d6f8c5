//! What is wrong with real servers, and how an operator learns of it.

use evenkeel_tests::certificates::{Authority, Validity, Wish};
use evenkeel_tests::nginx::Nginx;
use evenkeel_tests::tls_backend::old;

use super::site::{Site, ask, evidence_of_ejection, expect_failure, one};

#[test]
fn a_certificate_is_refused_for_what_is_wrong_with_it() {
    let site = Site::new();
    let wish = || Wish::new(&["127.0.0.1"]);
    let below = site.authority.intermediate("below");
    let mut alone = below.sign(&wish());
    let end = alone.chain.find("-----END CERTIFICATE-----\n").unwrap();
    alone.chain.truncate(end + "-----END CERTIFICATE-----\n".len());
    let of_name = site.authority.sign(&Wish::new(&["app.test"]));
    for (detail, certificate) in [
        ("expired", site.authority.sign(&wish().validity(Validity::Expired))),
        ("not_yet_valid", site.authority.sign(&wish().validity(Validity::NotYet))),
        ("wrong_name", of_name),
        ("unknown_ca", Authority::new("another").sign(&wish())),
        // The name of the authority is the same, and its key is not.
        ("unknown_ca", Authority::new("the site's own").sign(&wish())),
        // It does not send what stands between.
        ("unknown_ca", alone),
        ("self_signed", wish().self_signed()),
    ] {
        let nginx = site.nginx("nginx", &certificate, "");
        let evenkeel = one(&nginx.address(), &site.believes());
        expect_failure(&evenkeel, "tls_certificate", detail);
        for text in evidence_of_ejection(&site, &nginx.address()) {
            assert!(text.contains(&format!("tls_certificate ({detail}): ")), "{text}");
        }
    }
}

#[test]
fn a_port_that_speaks_plain_http_is_told_with_what_mends_it() {
    let nginx = Nginx::start("plain");
    let site = Site::new();
    let evenkeel = one(&nginx.address(), &site.believes());
    expect_failure(&evenkeel, "tls_protocol", "plaintext_peer");
    for text in evidence_of_ejection(&site, &nginx.address()) {
        assert!(text.contains("tls_protocol (plaintext_peer): its port speaks plain HTTP"), "{text}");
        assert!(text.contains("remove `https://` from its address"), "{text}");
    }
}

#[test]
fn an_old_version_is_refused_and_every_new_one_is_good() {
    let site = Site::new();
    let files = site.write("old", &site.local());
    let nginx = old("old", &files, "TLSv1 TLSv1.1");
    let evenkeel = one(&nginx.address(), &site.believes());
    expect_failure(&evenkeel, "tls_alert", "protocol_version");
    for version in ["TLSv1.2", "TLSv1.3"] {
        let nginx = site.nginx("new", &site.local(), &format!("ssl_protocols {version};"));
        assert_eq!(ask(&one(&nginx.address(), &site.believes()), "/").0, 200, "{version}");
    }
}

#[test]
fn nothing_in_common_is_told_as_that() {
    let site = Site::new();
    let more = "ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-SHA;";
    let nginx = site.nginx("nginx", &site.local(), more);
    expect_failure(&one(&nginx.address(), &site.believes()), "tls_alert", "handshake_failure");
}

#[test]
fn whoever_is_not_verified_is_told_at_each_start_and_reload_and_in_the_status() {
    let site = Site::new();
    let nginx = site.nginx("nginx", &Wish::new(&["whatever.test"]).self_signed(), "");
    let evenkeel = one(&nginx.address(), "verify: off");
    assert_eq!(ask(&evenkeel, "/").0, 200);
    let told = |count: usize| {
        let events = evenkeel.events();
        let told = events.iter().filter(|event| event["code"] == "unverified").collect::<Vec<_>>();
        assert_eq!(told.len(), count, "{events:?}");
        assert!(told.iter().all(|event| event["level"] == "WARN"), "{told:?}");
    };
    told(1);
    let status = evenkeel.status();
    assert_eq!(status["warnings"][0]["code"], "unverified", "{status:#}");
    assert_eq!(evenkeel.backend(&nginx.address())["tls"]["verify"], "off");
    let plan = std::fs::read_to_string(evenkeel.folder().join("evenkeel.yaml")).unwrap();
    evenkeel.reload(&plan);
    told(2);
    let plan = plan.replace("verify: off", &site.believes());
    evenkeel.reload(&plan);
    told(2);
    assert_eq!(evenkeel.status()["warnings"].as_array().map_or(0, Vec::len), 0);
    expect_failure(&evenkeel, "tls_certificate", "self_signed");
}
