//! Three nginx backends behind TLS under load: reloaded, restarted and killed, they cost no GET.

use std::time::Duration;

use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::load::{Crowd, Load};
use evenkeel_tests::nginx::Nginx;
use evenkeel_tests::wait;

use super::site::{Site, plan};
use crate::turns::paced;

const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    nginx: Vec<Nginx>,
    evenkeel: Evenkeel,
    crowd: Option<Crowd>,
    site: Site,
}

impl Scene {
    fn new() -> Scene {
        let site = Site::new();
        let nginx: Vec<_> = ["a", "b", "c"].map(|name| site.nginx(name, &site.local(), "")).into();
        let backends: Vec<_> = ["a", "b", "c"].into_iter().zip(nginx.iter().map(Nginx::address)).collect();
        let settings = ["timeouts: { head: 1s, tls: 1s }", "health: { eject: { wait: 500ms } }"];
        // On all cores.
        let plan = plan(&backends, &site.believes(), &settings).replace("workers: 1\n", "");
        let evenkeel = Evenkeel::start(&plan);
        let crowd = Load::on(evenkeel.address()).start();
        crowd.wait_for(300);
        Scene { nginx, evenkeel, crowd: Some(crowd), site }
    }

    fn wait_for(&self, more: u64) {
        self.crowd.as_ref().unwrap().wait_for(more);
    }

    fn until_phase(&self, index: usize, phases: &[&str]) {
        let address = self.nginx[index].address();
        wait::until_true(PATIENCE, &format!("{address} to be {phases:?}"), || {
            phases.contains(&&*self.evenkeel.phase(&address))
        });
    }

    fn end(mut self) {
        self.wait_for(300);
        self.crowd.take().unwrap().expect_no_failure();
    }
}

#[test]
fn a_rolling_restart_costs_no_get() {
    let _turn = paced();
    let mut scene = Scene::new();
    for index in 0..3 {
        scene.nginx[index].stop();
        scene.wait_for(300);
        scene.nginx[index].run();
        scene.until_phase(index, &["serving", "unproven"]);
        scene.wait_for(300);
    }
    scene.end();
}

#[test]
fn a_reload_with_a_new_certificate_costs_no_get() {
    let _turn = paced();
    let scene = Scene::new();
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        scene.site.write(name, &scene.site.local());
        scene.nginx[index].reload();
        scene.wait_for(300);
    }
    scene.end();
}

#[test]
fn a_killed_backend_costs_no_get_and_comes_back() {
    let _turn = paced();
    let mut scene = Scene::new();
    scene.nginx[1].kill();
    scene.until_phase(1, &["ejected"]);
    scene.wait_for(100);
    scene.nginx[1].run();
    scene.until_phase(1, &["serving"]);
    scene.end();
}

#[test]
fn a_frozen_backend_costs_no_get_and_comes_back() {
    let _turn = paced();
    let scene = Scene::new();
    scene.nginx[1].freeze();
    scene.until_phase(1, &["ejected"]);
    scene.nginx[1].thaw();
    scene.until_phase(1, &["serving"]);
    scene.end();
}
