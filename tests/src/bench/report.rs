//! The report: figures as Markdown tables, with the versions and settings that they hold for. It has two sections: without
//! TLS, and with it.

mod tables;

use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_tests::document;
use evenkeel_tests::product::{Product, machine};

use crate::arguments::Arguments;
use crate::backends::Backends;
use crate::cases::{CONNECTIONS, Case};
use crate::configuration::{Places, configuration};
use crate::flood;
use crate::idle;
use crate::peers::Measurement;
use crate::setting::Setting;
use crate::slow::{self, HALF, READERS};

/// Everything measured, in rounds.
pub(crate) struct Report {
    contestants: Vec<Product>,
    rounds: usize,
    measured: Vec<(&'static str, Setting, usize, Measurement)>,
    idle: Vec<(Setting, usize, f64)>,
    slow: Vec<(usize, [Duration; 2])>,
    floods: Vec<(usize, flood::Measurement)>,
}

impl Report {
    pub(crate) fn new(contestants: &[Product], arguments: &Arguments) -> Report {
        Report {
            contestants: contestants.to_vec(),
            rounds: arguments.rounds(3),
            measured: Vec::new(),
            idle: Vec::new(),
            slow: Vec::new(),
            floods: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, case: &'static str, setting: Setting, who: usize, measurement: Measurement) {
        self.measured.push((case, setting, who, measurement));
    }

    pub(crate) fn add_idle(&mut self, setting: Setting, who: usize, bytes: f64) {
        self.idle.push((setting, who, bytes));
    }

    pub(crate) fn add_slow(&mut self, who: usize, p99: [Duration; 2]) {
        self.slow.push((who, p99));
    }

    pub(crate) fn add_flood(&mut self, who: usize, measurement: flood::Measurement) {
        self.floods.push((who, measurement));
    }

    /// Prints the report, and writes where the arguments say those of its sections that were measured whole.
    pub(crate) fn finish(&self, arguments: &Arguments) {
        let cleartext = [idle::NAMES[0], slow::NAME];
        let tls = [idle::NAMES[1], flood::NAME];
        for (section, is_tls, others) in [("bench", false, cleartext), ("bench-tls", true, tls)] {
            let settings = Setting::ALL.into_iter().filter(|setting| setting.is_tls() == is_tls);
            let cases = settings.flat_map(|setting| Case::all(setting, false)).map(|case| case.name);
            let wanted: Vec<bool> = cases.chain(others).map(|row| arguments.wants(row)).collect();
            if !wanted.contains(&true) {
                continue;
            }
            let text = if is_tls { self.tls(arguments) } else { self.cleartext(arguments) };
            println!("{text}");
            match &arguments.write {
                Some(file) if !wanted.contains(&false) => document::write(file, section, &text),
                Some(_) => eprintln!("the section {section} is not written: it was measured in part"),
                None => {}
            }
        }
    }

    fn cleartext(&self, arguments: &Arguments) -> String {
        let mut text = self.how(arguments, "", "");
        for (setting, title) in
            [(Setting::Plain, "## Without access logs"), (Setting::Logging, "## With access logs")]
        {
            add(&mut text, title, "", self.traffic(setting));
        }
        text.push_str(&self.disturbance(false));
        add(&mut text, "## Idle connections", &idle_words(arguments, ""), self.idle_table(Setting::Plain));
        let words = format!(
            "The p99 of the first case, without logs: alone, and while {HALF} clients with half a head and {HALF} with half a \
             body send a byte every five seconds and {READERS} ask for 4 MB and read nothing.\n\n"
        );
        add(&mut text, "## Slow clients", &words, self.slow_table());
        let product = |one: &Product| {
            let name = one.name();
            format!("\n{name} (with its log):\n\n```\n{}\n```\n", shown(one, Setting::Logging))
        };
        text + &self.settings("## Versions and settings", CLEARTEXT, product)
    }

    fn tls(&self, arguments: &Arguments) -> String {
        let words = "All have the same certificate (ECDSA P-256); clients offer TLS 1.3 with AES-128-GCM and X25519 alone, so \
                     that all do the same work, and backends on TLS take nothing else. Clients look at no signature, which is work of \
                     theirs and not of the proxy. Each proxy gives as many session tickets as \
                     it does by default. *Target*: most that evenkeel may cost beside \
                     HAProxy. *Core*: the proxy's share of its core; where that is little, the generator and the backends are \
                     the bottleneck. ";
        let mut text = "## TLS\n\n".to_owned() + &self.how(arguments, "--rows TLS ", words);
        add(&mut text, "### With clients", "", self.traffic(Setting::Tls));
        add(&mut text, "### To backends", "", self.traffic(Setting::TlsToBackends));
        text.push_str(&self.disturbance(true));
        add(
            &mut text,
            "### Idle TLS connections",
            &idle_words(arguments, " over TLS"),
            self.idle_table(Setting::Tls),
        );
        let words = format!(
            "What a client waits for answers that has {} connections over TLS already and makes 200 requests a second: alone, and \
             beside clients that have {} connections in a full handshake at any time, and close each when it is done. Medians of \
             the rounds, of the longest waits too.\n\n",
            flood::STEADY,
            flood::IN_FLIGHT
        );
        add(&mut text, "### A flood of handshakes", &words, self.flood_table());
        let product = |one: &Product| {
            let name = one.name();
            let [clients, backends] =
                [Setting::Tls, Setting::TlsToBackends].map(|setting| shown(one, setting));
            format!(
                "\n{name}, with TLS for clients:\n\n```\n{clients}\n```\n\n{name}, with TLS to backends:\n\n```\n{backends}\n```\n"
            )
        };
        text + &self.settings("### Versions and settings of TLS", TLS, product)
    }

    fn how(&self, arguments: &Arguments, rows: &str, more: &str) -> String {
        let mut text = format!(
            "Written by `make bench ARGS=\"{rows}--write docs/benchmarks.md\"`. One core for the proxy, one for the load generator and the backends; {CONNECTIONS} \
             connections in a closed loop; medians of {} interleaved rounds. {more}CPU is the proxy's own processor time per request \
             (`/proc/PID/task/*/schedstat`, kernel time included): unlike requests a second it does not depend on which side \
             is the bottleneck. The ratio to HAProxy is the median of the rounds' ratios; less is better. Compare within a \
             table only: absolute figures drift from machine to machine.\n\n",
            self.rounds
        );
        if arguments.is_quick {
            text.push_str("**A quick run, to see that it works: too short to compare.**\n\n");
        }
        text
    }

    fn disturbance(&self, is_tls: bool) -> String {
        let mine = self.measured.iter().filter(|one| one.1.is_tls() == is_tls);
        let most = mine.map(|one| one.3.others).fold(0.0, f64::max) * 100.0;
        format!("During a measurement, other processes used at most {most:.0} % of the cores.\n\n")
    }

    fn settings(&self, title: &str, words: &str, product: impl Fn(&Product) -> String) -> String {
        let mut text = format!("{title}\n\n");
        let _ = writeln!(text, "- machine: {}", machine());
        for contestant in &self.contestants {
            let _ = writeln!(text, "- {}", contestant.version());
        }
        text.push_str(words);
        self.contestants.iter().for_each(|one| text.push_str(&product(one)));
        let _ =
            writeln!(text, "\nThe backends, one nginx worker:\n\n```\n{}\n```", Backends::configuration());
        text
    }
}

const CLEARTEXT: &str = "\nEach proxy has one worker and keeps its connections to the backends. HAProxy and nginx do the least that a proxy \
    can do; evenkeel runs with its defaults: health by traffic, retries, request ids, forwarding fields, metrics. With \
    access logs, HAProxy writes its `httplog` line to a datagram socket that is drained, nginx its `combined` line and \
    evenkeel its JSON line to a file. nginx has its default proxy buffers, of 8 x 4 KiB; its buffer for request \
    bodies is large enough for the body of this benchmark.\n";

const TLS: &str = "\nEach proxy has one worker and keeps its connections to the backends; nobody logs. HAProxy and nginx do the least \
    that a proxy can do; evenkeel runs with its defaults. To backends over TLS, all verify the certificate and the name.\n";

/// Adds a table under its title, unless nothing of it was measured.
fn add(text: &mut String, title: &str, words: &str, table: String) {
    let has_rows = table.lines().count() > 2;
    if has_rows {
        let _ = writeln!(text, "{title}\n\n{words}{table}");
    }
}

fn idle_words(arguments: &Arguments, over: &str) -> String {
    let connections = idle::connections(arguments.is_quick);
    format!(
        "Private memory of the proxy's processes per connection{over} that made one request and then idles ({connections} of \
         them; memory of the kernel's sockets not included).\n\n"
    )
}

/// A product's configuration, with words for what it names.
fn shown(product: &Product, setting: Setting) -> String {
    let backends = match setting {
        Setting::TlsToBackends => ["TLS-BACKEND-1", "TLS-BACKEND-2"],
        _ => ["BACKEND-1", "BACKEND-2"],
    };
    let places = Places {
        listen: "PROXY",
        backends,
        log: "LOG",
        certificate: "CERTIFICATE",
        key: "KEY",
        both: "CERTIFICATE-AND-KEY",
        authority: "AUTHORITY",
    };
    configuration(product, setting, &places).trim_end().to_owned()
}
