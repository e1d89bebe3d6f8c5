//! Files that change under a plan: what is good is taken, what is not stays, and what did not change is the same.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_config::{Plan, parse_at};
use evenkeel_tls::{Client, Identity, Server};

use crate::certificates::{Authority, Folder, Made, now};

const TEXT: &str = r#"
listeners:
  - name: edge
    address: "127.0.0.1:8443"
    tls:
      certificates:
        - { certificate: DIR/site.pem, key: DIR/site.key }
        - { directory: DIR/more }
      default: site.org
      client: { ca: DIR/clients.pem, crl: DIR/clients.crl }
  - { name: other, address: "127.0.0.1:8444", tls: { certificates: [{ certificate: DIR/other.pem, key: DIR/other.key }] } }
pools:
  app:
    backends: ["https://app.internal", "https://10.0.0.5:8443"]
    tls: { ca: DIR/ca.pem, certificate: DIR/me.pem, key: DIR/me.key }
"#;

struct Scene {
    folder: Folder,
    authority: Authority,
    plan: Plan,
}

impl Scene {
    fn new() -> Self {
        let (folder, authority) = (Folder::new(), Authority::new());
        folder.pair("site", &authority.sign(&["site.org"]));
        folder.pair("other", &authority.sign(&["other.org"]));
        folder.pair("more/a", &authority.sign(&["a.org"]));
        folder.pair("more/b", &authority.sign(&["b.org"]));
        folder.pair("me", &authority.sign(&["me.internal"]));
        folder.write("ca.pem", &authority.pem);
        folder.write("clients.pem", &authority.pem);
        folder.write("clients.crl", authority.revocation_list().0);
        let text = TEXT.replace("DIR", folder.0.path().to_str().unwrap());
        let plan = parse_at(&text, "test.yaml", &|_| None, now());
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        Scene { folder, authority, plan }
    }

    fn sign(&self, name: &str) -> Made {
        self.authority.sign(&[name])
    }

    /// Reads again; the plan is the next one to read again. Returns the problems.
    fn reread(&mut self) -> Vec<String> {
        let reread = self.plan.reread_at(now());
        self.plan = reread.plan;
        reread
            .problems
            .into_iter()
            .map(|text| text.replace(self.folder.0.path().to_str().unwrap(), "DIR"))
            .collect()
    }

    fn server(&self, listener: usize) -> Arc<Server> {
        self.plan.listeners[listener].tls.as_ref().unwrap().server.clone()
    }

    fn client(&self, backend: usize) -> Arc<Client> {
        self.plan.pools[0].backends[backend].tls.as_ref().unwrap().client().clone()
    }

    fn read(&self, text: &str) -> Plan {
        let text = text.replace("DIR", self.folder.0.path().to_str().unwrap());
        let plan = parse_at(&text, "test.yaml", &|_| None, now());
        plan.unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// What a reload of the configuration would lose.
    fn losses(&self) -> Vec<String> {
        self.losses_to(&self.read(TEXT))
    }

    fn losses_to(&self, plan: &Plan) -> Vec<String> {
        let folder = self.folder.0.path().to_str().unwrap();
        let losses = plan.losses_at(&self.plan, now());
        losses.into_iter().map(|text| text.replace(folder, "DIR")).collect()
    }

    /// That the default certificate of the first listener is in another file now.
    fn expect_moved(&self, before: &Plan, name: &str, [old, new]: [&str; 2]) {
        let [old, new] = [old, new].map(|file| self.folder.path(file).display().to_string());
        let changes = self.plan.diff(before);
        let expected = format!("listener edge: tls.default {name} ({old}) -> {name} ({new})");
        assert!(changes.iter().any(|line| line == expected), "{changes:#?}");
    }

    /// The first names of the first listener's certificates.
    fn names(&self) -> Vec<String> {
        let server = self.server(0);
        server.parts().identities.iter().map(|identity| identity.facts().names[0].to_string()).collect()
    }

    fn identity(&self, name: &str) -> Arc<Identity> {
        let server = self.server(0);
        let found = server.parts().identities.iter().find(|identity| identity.covers(name));
        found.unwrap_or_else(|| panic!("nobody is {name}")).clone()
    }
}

#[test]
fn files_that_did_not_change_change_nothing() {
    let mut scene = Scene::new();
    let (before, server, client) = (scene.plan.clone(), scene.server(0), scene.client(0));
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.plan, before);
    assert!(scene.plan.diff(&before).is_empty());
    assert!(Arc::ptr_eq(&server, &scene.server(0)));
    assert!(Arc::ptr_eq(&client, &scene.client(0)) && Arc::ptr_eq(&client, &scene.client(1)));
}

#[test]
fn a_renewed_certificate_is_taken_and_the_others_stay() {
    let mut scene = Scene::new();
    let before = scene.plan.clone();
    let other = scene.server(1);
    scene.folder.pair("site", &scene.authority.sign_until(&["site.org"], (2027, 6, 1)));
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), ["site.org", "a.org", "b.org"]);
    let changes = scene.plan.diff(&before);
    let lines: Vec<&str> = changes.iter().collect();
    let certificate = "listener edge: certificate of site.org";
    assert_eq!(lines[0], format!("{certificate}: expires 2028-01-01T00:00:00Z -> 2027-06-01T00:00:00Z"));
    assert!(lines[1].starts_with(&format!("{certificate}: fingerprint ")), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(Arc::ptr_eq(&other, &scene.server(1)));
}

#[test]
fn a_good_certificate_does_not_give_way_to_one_that_has_expired() {
    let mut scene = Scene::new();
    let before = scene.plan.clone();
    scene.folder.pair("site", &scene.authority.sign_within(&["site.org"], (2020, 1, 1), (2021, 1, 1)));
    let problems = scene.reread();
    let beginning =
        "listeners[0].tls.certificates[0].certificate: the new certificate in `DIR/site.pem` expired on ";
    assert!(problems.len() == 1 && problems[0].starts_with(beginning), "{problems:?}");
    assert_eq!(scene.plan, before);
    scene.folder.pair("site", &scene.authority.sign_until(&["site.org"], (2027, 6, 1)));
    assert_eq!(scene.reread(), [""; 0]);
    assert_ne!(scene.plan, before);
}

#[test]
fn a_good_certificate_does_not_give_way_to_one_that_is_not_valid_yet_until_it_is() {
    let mut scene = Scene::new();
    let before = scene.plan.clone();
    scene.folder.pair("site", &scene.authority.sign_within(&["site.org"], (2027, 1, 1), (2029, 1, 1)));
    let problems = scene.reread();
    let beginning = "listeners[0].tls.certificates[0].certificate: the new certificate in `DIR/site.pem` is not valid \
                     before 2027-01-01T00:00:00Z; ";
    assert!(problems.len() == 1 && problems[0].starts_with(beginning), "{problems:?}");
    assert_eq!(scene.plan, before);
    let later = scene.plan.reread_at(now() + Duration::from_secs(365 * 86_400));
    assert_eq!(later.problems, [""; 0]);
    assert_ne!(later.plan, before);
}

#[test]
fn a_reload_loses_what_serves_if_something_worse_is_there() {
    let scene = Scene::new();
    assert_eq!(scene.losses(), [""; 0]);
    scene.folder.pair("site", &scene.authority.sign_within(&["site.org"], (2020, 1, 1), (2021, 1, 1)));
    scene.folder.pair("more/b", &scene.authority.sign_within(&["b.org"], (2027, 1, 1), (2028, 1, 1)));
    scene.folder.pair("me", &scene.authority.sign_within(&["me.internal"], (2020, 1, 1), (2021, 1, 1)));
    std::fs::remove_file(scene.folder.path("more/a.key")).unwrap();
    let losses = scene.losses();
    let certificates = "listeners[0].tls.certificates";
    let expected = [
        format!("{certificates}[0].certificate: the new certificate in `DIR/site.pem` expired on "),
        format!("{certificates}[1].directory: the new certificate in `DIR/more/b.pem` is not valid before "),
        "pools.app.tls.certificate: the new certificate in `DIR/me.pem` expired on ".to_string(),
        format!("{certificates}[1].directory: `DIR/more/a.key` cannot be read by the user "),
    ];
    assert_eq!(losses.len(), expected.len(), "{losses:#?}");
    for (loss, beginning) in losses.iter().zip(expected) {
        assert!(loss.starts_with(&beginning) && loss.contains("; put "), "{loss}");
    }
    // What was removed whole is no loss.
    std::fs::remove_file(scene.folder.path("more/a.pem")).unwrap();
    assert_eq!(scene.losses().len(), 3);
}

#[test]
fn a_certificate_that_is_over_gives_way_to_any_other() {
    let scene = Scene::new();
    let later = now() + Duration::from_secs(10 * 365 * 86_400);
    scene.folder.pair("site", &scene.authority.sign_within(&["site.org"], (2020, 1, 1), (2021, 1, 1)));
    let reread = scene.plan.reread_at(later);
    assert_eq!(reread.problems, [""; 0]);
    assert_ne!(reread.plan, scene.plan);
}

#[test]
fn what_backends_are_shown_does_not_give_way_to_what_is_not_valid() {
    let mut scene = Scene::new();
    let before = scene.plan.clone();
    for (from, until, said) in
        [((2020, 1, 1), (2021, 1, 1), "expired on "), ((2027, 1, 1), (2028, 1, 1), "is not valid")]
    {
        scene.folder.pair("me", &scene.authority.sign_within(&["me.internal"], from, until));
        let problems = scene.reread();
        let beginning = format!("pools.app.tls.certificate: the new certificate in `DIR/me.pem` {said}");
        assert!(problems.len() == 1 && problems[0].starts_with(&beginning), "{problems:?}");
        assert_eq!(scene.plan, before);
    }
}

#[test]
fn a_bad_file_keeps_what_was_and_is_told_at_its_key() {
    let mut scene = Scene::new();
    let before = scene.plan.clone();
    scene.folder.write("site.pem", scene.sign("site.org").certificate);
    scene.folder.write("more/a.key", "nonsense");
    scene.folder.write("clients.pem", "");
    scene.folder.write("clients.crl", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    scene.folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    std::fs::remove_file(scene.folder.path("me.key")).unwrap();
    let problems = scene.reread();
    let expected = [
        "listeners[0].tls.certificates[0].key: the key in `DIR/site.key` is not that of",
        "listeners[0].tls.certificates[1].directory: `DIR/more/a.key` holds no private key",
        "listeners[0].tls.client.ca: `DIR/clients.pem` holds no CA certificate",
        "listeners[0].tls.client.crl: the revocation list in `DIR/clients.crl` cannot be used",
        "pools.app.tls.key: `DIR/me.key` cannot be read",
        "pools.app.tls.ca: the CA certificates in `DIR/ca.pem` cannot be used",
    ];
    for (problem, beginning) in problems.iter().zip(expected) {
        assert!(problem.starts_with(beginning) && problem.contains("; "), "{problem}");
    }
    assert_eq!(problems.len(), 6, "{problems:#?}");
    assert_eq!(scene.plan, before);
}

#[test]
fn one_bad_pair_does_not_hold_the_others_back() {
    let mut scene = Scene::new();
    let (old_a, old_b) = (scene.identity("a.org"), scene.identity("b.org"));
    scene.folder.write("more/a.key", "nonsense");
    scene.folder.pair("more/b", &scene.sign("b.org"));
    scene.folder.pair("more/c", &scene.sign("c.org"));
    assert_eq!(scene.reread().len(), 1);
    assert_eq!(scene.names(), ["site.org", "a.org", "b.org", "c.org"]);
    assert_eq!(scene.identity("a.org"), old_a);
    assert_ne!(scene.identity("b.org"), old_b);
}

#[test]
fn a_pair_that_is_gone_goes_unless_it_was_the_last() {
    let mut scene = Scene::new();
    let remove = |scene: &Scene, name: &str| std::fs::remove_file(scene.folder.path(name)).unwrap();
    remove(&scene, "more/a.pem");
    remove(&scene, "more/a.key");
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), ["site.org", "b.org"]);
    remove(&scene, "more/b.pem");
    let problems = scene.reread();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0]
            .starts_with("listeners[0].tls.certificates[1].directory: `DIR/more` holds no certificate")
    );
    assert_eq!(scene.names(), ["site.org", "b.org"]);
    // It can come back.
    scene.folder.pair("more/b", &scene.sign("b.org"));
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), ["site.org", "b.org"]);
}

#[test]
fn what_is_spoilt_in_a_folder_with_others_stays_as_it_was() {
    let mut scene = Scene::new();
    let both = scene.sign("both.org");
    scene.folder.write("more/both.pem", both.certificate + &both.key);
    assert_eq!(scene.reread(), [""; 0]);
    let (before, names) = (scene.plan.clone(), ["site.org", "a.org", "b.org", "both.org"]);
    assert_eq!(scene.names(), names);
    // `cat fullchain privkey > both.pem` on a full disk; and half a pair, of which the certificate alone is no reason to talk.
    scene.folder.write("more/both.pem", "");
    std::fs::remove_file(scene.folder.path("more/a.key")).unwrap();
    let problems = scene.reread();
    let at = "listeners[0].tls.certificates[1].directory: ";
    assert!(problems[0].starts_with(&format!("{at}`DIR/more/a.key` cannot be read")), "{problems:?}");
    assert!(problems[0].ends_with("or remove what is left of it: `DIR/more/a.pem`"), "{problems:?}");
    assert!(problems[1].starts_with(&format!("{at}`DIR/more/both.pem` holds no certificate: it is empty")));
    assert_eq!((problems.len(), &scene.plan), (2, &before), "{problems:?}");
    assert_eq!(scene.names(), names);
    // Nobody looks at the certificate alone of these, since CAs are called so.
    scene.folder.pair("more/chain", &scene.sign("chain.org"));
    assert_eq!(scene.reread().len(), 2);
    std::fs::remove_file(scene.folder.path("more/chain.key")).unwrap();
    assert_eq!(scene.reread().len(), 3);
    assert_eq!(scene.names(), ["site.org", "a.org", "b.org", "both.org", "chain.org"]);
    for name in ["a.pem", "both.pem", "chain.pem"] {
        std::fs::remove_file(scene.folder.path(&format!("more/{name}"))).unwrap();
    }
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), ["site.org", "b.org"]);
}

#[test]
fn a_pair_that_moves_to_other_files_is_nothing_lost() {
    let mut scene = Scene::new();
    let names = ["site.org", "a.org", "b.org"];
    // The key goes to a certificate of another ending, which comes first; then both go into one file.
    scene.folder.write("more/a.crt", std::fs::read(scene.folder.path("more/a.pem")).unwrap());
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), names);
    let both = scene.sign("a.org");
    scene.folder.write("more/a.pem", both.certificate + &both.key);
    for name in ["a.crt", "a.key"] {
        std::fs::remove_file(scene.folder.path(&format!("more/{name}"))).unwrap();
    }
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), names);
}

#[test]
fn a_certificate_that_is_no_good_takes_no_key_from_one_that_is() {
    let mut scene = Scene::new();
    let made = scene.sign("a.org");
    scene.folder.pair("more/a", &made);
    assert_eq!(scene.reread(), [""; 0]);
    let before = scene.plan.clone();
    let old = scene.authority.sign_old(&["a.org"], &made).certificate;
    // Of `a.crt` and `a.pem` the first has the key.
    for (content, said) in [
        ("", "`DIR/more/a.crt` holds no certificate: it is empty"),
        (&old[..old.len() / 2], "`DIR/more/a.crt`"),
        (&*old, "the new certificate in `DIR/more/a.crt` expired on "),
    ] {
        scene.folder.write("more/a.crt", content);
        for _ in 0..2 {
            let problems = scene.reread();
            let beginning = format!("listeners[0].tls.certificates[1].directory: {said}");
            assert!(problems.len() == 1 && problems[0].starts_with(&beginning), "{problems:?}");
            assert_eq!(scene.plan, before);
        }
    }
    let losses = scene.losses();
    assert!(losses.len() == 1 && losses[0].contains("the new certificate in `DIR/more/a.crt`"), "{losses:?}");
    scene.folder.write("more/a.crt", &made.certificate);
    assert_eq!((scene.reread(), scene.losses()), (Vec::new(), Vec::new()));
}

#[test]
fn an_expired_certificate_beside_one_of_the_same_key_that_stays_takes_nothing_from_it() {
    let scene = Scene::new();
    let made = scene.sign("site.org");
    scene.folder.pair("site", &made);
    scene.folder.pair("old", &scene.authority.sign_old(&["old.org"], &made));
    let site = "        - { certificate: DIR/site.pem, key: DIR/site.key }\n";
    let text = TEXT.replace(site, &format!("{site}{}", site.replace("site.pem", "old.pem")));
    assert_eq!(scene.losses_to(&scene.read(&text)), [""; 0]);
}

#[test]
fn a_reload_loses_a_pair_that_is_there_but_was_not_found() {
    let scene = Scene::new();
    let key = std::fs::read(scene.folder.path("more/a.key")).unwrap();
    std::fs::remove_file(scene.folder.path("more/a.key")).unwrap();
    let without = scene.read(TEXT);
    // As one that was being copied, or whose folder could not be listed for a moment.
    scene.folder.write("more/a.key", key);
    let losses = scene.losses_to(&without);
    let beginning = "listeners[0].tls.certificates[1].directory: `DIR/more/a.pem` serves, but was not found in its folder";
    assert!(losses.len() == 1 && losses[0].starts_with(beginning), "{losses:?}");
    assert!(losses[0].contains("`ls DIR/more`") && losses[0].contains("reload again"), "{losses:?}");
    assert!(losses[0].ends_with("or remove `DIR/more/a.pem` and `DIR/more/a.key`"), "{losses:?}");
    assert_eq!(scene.losses(), [""; 0]);
}

#[test]
fn a_combined_file_beside_which_a_pair_for_its_names_is_put_is_nothing_lost() {
    let mut scene = Scene::new();
    let (old, renewed, other) = (scene.sign("c.org"), scene.sign("c.org"), scene.sign("other.org"));
    scene.folder.write("more/c.pem", format!("{}{}", old.certificate, old.key));
    assert_eq!(scene.reread(), [""; 0]);
    let expired = scene.authority.sign_old(&["c.org"], &renewed).certificate;
    scene.folder.write("more/c.key", &renewed.key);
    for (certificate, lost) in [(&renewed.certificate, 0), (&expired, 1)] {
        scene.folder.write("more/c.crt", certificate);
        assert_eq!(scene.losses().len(), lost);
    }
    scene.folder.pair("more/c", &other);
    std::fs::rename(scene.folder.path("more/c.pem"), scene.folder.path("more/c.crt")).unwrap();
    scene.folder.write("more/c.pem", format!("{}{}", old.certificate, old.key));
    assert_eq!(scene.losses().len(), 1, "nobody serves c.org");
}

#[test]
fn a_pair_that_has_got_another_name_serves_once_and_is_nothing_lost() {
    let mut scene = Scene::new();
    scene.folder.pair("more/sub/c", &scene.sign("c.org"));
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), ["site.org", "a.org", "b.org", "c.org"]);
    // A folder is looked into under the first of its names.
    scene.folder.link("sub", "more/A");
    assert_eq!(scene.losses(), [""; 0]);
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.names(), ["site.org", "c.org", "a.org", "b.org"]);
    assert_eq!(scene.plan.warnings.0.iter().count(), 0, "{}", scene.plan.warnings.0);
}

#[test]
fn the_default_certificate_stays_the_default() {
    let mut scene = Scene::new();
    scene.folder.pair("site", &scene.sign("renamed.org"));
    let problems = scene.reread();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("listeners[0].tls.default: no certificate is for `site.org` any more"));
    assert_eq!(scene.server(0).parts().default, 0);
    // Somebody else has the name now.
    let before = scene.plan.clone();
    scene.folder.pair("more/a", &scene.sign("site.org"));
    assert_eq!(scene.reread(), [""; 0]);
    assert_eq!(scene.server(0).parts().default, 1);
    scene.expect_moved(&before, "site.org", ["site.pem", "more/a.pem"]);
}

#[test]
fn another_default_certificate_is_told() {
    let mut scene = Scene::new();
    let text = TEXT.replace("        - { certificate: DIR/site.pem, key: DIR/site.key }\n", "");
    let text = text.replace("      default: site.org\n", "");
    let text = text.replace("DIR", scene.folder.0.path().to_str().unwrap());
    scene.plan = parse_at(&text, "test.yaml", &|_| None, now()).unwrap();
    let before = scene.plan.clone();
    scene.folder.pair("more/0", &scene.sign("new.org"));
    assert_eq!(scene.reread(), [""; 0]);
    scene.expect_moved(&before, "the first", ["more/a.pem", "more/0.pem"]);
}

#[test]
fn a_new_ca_for_backends_is_a_new_client_for_all_of_them() {
    let mut scene = Scene::new();
    let before = scene.client(0);
    scene.folder.write("ca.pem", Authority::new().pem);
    assert_eq!(scene.reread(), [""; 0]);
    assert!(!Arc::ptr_eq(&before, &scene.client(0)) && *before != *scene.client(0));
    assert!(Arc::ptr_eq(&scene.client(0), &scene.client(1)));
}

#[test]
fn a_reload_takes_over_what_did_not_change() {
    let scene = Scene::new();
    let read = |text: &str| {
        let text = text.replace("DIR", scene.folder.0.path().to_str().unwrap());
        let mut plan = parse_at(&text, "test.yaml", &|_| None, now()).unwrap();
        plan.carry_over(&scene.plan);
        plan
    };
    let same = read(TEXT);
    for (new, old) in same.listeners.iter().zip(&scene.plan.listeners) {
        assert!(Arc::ptr_eq(&new.tls.as_ref().unwrap().server, &old.tls.as_ref().unwrap().server));
    }
    for (new, old) in same.pools[0].backends.iter().zip(&scene.plan.pools[0].backends) {
        assert!(Arc::ptr_eq(new.tls.as_ref().unwrap(), old.tls.as_ref().unwrap()));
    }
    // A new backend shares the sessions of the pool; one whose name differs does, too, for sessions are kept by name.
    let more =
        read(&TEXT.replace("\"https://app.internal\"", "\"https://app.internal\", \"https://new.internal\""));
    let clients: Vec<&Arc<Client>> =
        more.pools[0].backends.iter().map(|backend| backend.tls.as_ref().unwrap().client()).collect();
    assert!(clients.iter().all(|client| Arc::ptr_eq(client, &scene.client(0))));
    // Another default certificate is another server.
    let other = read(&TEXT.replace("default: site.org", "default: b.org"));
    assert!(!Arc::ptr_eq(&other.listeners[0].tls.as_ref().unwrap().server, &scene.server(0)));
    assert_eq!(other.listeners[0].tls.as_ref().unwrap().server.parts().default, 2);
    assert!(Arc::ptr_eq(&other.listeners[1].tls.as_ref().unwrap().server, &scene.server(1)));
    // Other CAs are another client.
    let unverified = read(&TEXT.replace("tls: { ca: DIR/ca.pem", "tls: { verify: off"));
    assert!(!Arc::ptr_eq(unverified.pools[0].backends[0].tls.as_ref().unwrap().client(), &scene.client(0)));
}

#[test]
fn what_expires_under_a_running_plan_is_a_warning_of_the_next_one() {
    let scene = Scene::new();
    let later = now() + Duration::from_secs(3 * 365 * 86_400);
    let reread = scene.plan.reread_at(later);
    assert_eq!(reread.problems, [""; 0]);
    let warnings: Vec<(&str, &str)> =
        reread.plan.warnings.0.iter().map(|it| (it.code.as_str(), it.path.as_str())).collect();
    assert_eq!(warnings[0], ("expired", "listeners[0].tls.certificates[0].certificate"));
    assert_eq!(warnings.len(), 5);
}

#[test]
fn a_warning_that_no_file_can_end_stays() {
    let mut scene = Scene::new();
    let text = TEXT.replace("tls: { ca: DIR/ca.pem", "tls: { verify: off");
    let text = text.replace("DIR", scene.folder.0.path().to_str().unwrap());
    scene.plan = parse_at(&text, "test.yaml", &|_| None, now()).unwrap();
    for _ in 0..2 {
        assert_eq!(scene.reread(), [""; 0]);
        let warnings: Vec<_> = scene.plan.warnings.0.iter().map(|it| (it.code.as_str(), it.line)).collect();
        assert_eq!(warnings, [("unverified", 15)]);
    }
}
