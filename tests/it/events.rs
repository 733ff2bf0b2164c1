// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Events: the life of a container in order, told without delay to who follows, also while the log
//! is shortened and after a writer was cut short.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

const FORMAT: &str = "{{.Type}} {{.Status}} {{.Name}} {{with .ContainerExitCode}}{{.}}{{end}}";

#[test]
fn the_life_of_a_container_is_told_in_order() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = ["sh", "-c", "exit 3"];
    let run = ["run", "--rm", "--name", "short", "--network", "none"];
    let run = run
        .iter()
        .chain(&["-l", "tier=front", IMAGE])
        .chain(&script);
    assert_eq!(sandbox.run(run).code, 3);
    let background = ["run", "-d", "--name", "long", "--network", "none", IMAGE];
    sandbox.ok(background.iter().chain(&["sleep", "1000"]));
    sandbox.ok(["exec", "long", "true"]);
    sandbox.ok(["rename", "long", "longer"]);
    sandbox.ok(["kill", "longer"]);
    sandbox.ok(["wait", "longer"]);
    sandbox.ok(["rm", "longer"]);
    let events = ["events", "--stream=false", "--format", FORMAT];
    let of = |name: &str| {
        let filter = format!("container={name}");
        let shown = sandbox.ok(events.iter().copied().chain(["--filter", &filter]));
        let lines = shown.lines().map(|line| line.trim().to_owned());
        lines.collect::<Vec<_>>()
    };
    let line = |word: &str| format!("container {word} short");
    let expected = ["create", "init", "start", "attach", "died", "remove"].map(line);
    let mut short = of("short");
    if tool() == Tool::Coracle {
        assert_eq!(
            short.get(4).map(String::as_str),
            Some("container died short 3")
        );
        short[4] = line("died");
        assert_eq!(short, expected);
    }
    let longer = of("longer").join("\n");
    let told = [
        "rename longer",
        "kill longer",
        "died longer 137",
        "remove longer",
    ];
    let places: Vec<_> = told.iter().map(|words| longer.find(words)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{longer}"
    );
    let labels = ["--filter", "label=tier=front", "--filter", "event=die"];
    let died = sandbox.ok(events.iter().copied().chain(labels));
    assert_eq!(died, "container died short 3");
}

/// Names and commands of the events that `text` shows, one on each line.
fn numbers(text: &str) -> Vec<usize> {
    let words = text.lines().filter_map(|line| line.rsplit_once("v-"));
    words
        .filter_map(|(_, number)| number.parse().ok())
        .collect()
}

/// How many volumes are made.
const COUNT: usize = 60;

#[test]
fn a_follower_misses_nothing_of_a_log_that_is_shortened() {
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::new();
    let log = sandbox.path("events/events.log");
    let conf = format!("[engine]\nevents_logfile_path={log:?}\nevents_logfile_max_size=2000\n");
    let conf = sandbox.file("containers.conf", &conf);
    let call = |words: &[&str]| sandbox.call(words).env("CONTAINERS_CONF", &conf);
    let filters = ["--filter", "type=volume", "--filter", "event=create"];
    let words = ["events", "--since", "1h"];
    let words: Vec<&str> = words.into_iter().chain(filters).collect();
    let follower = call(&words).spawn();
    let create = |number: usize| {
        call(&["volume", "create", &format!("v-{number}")])
            .run()
            .expect(0);
    };
    for number in 0..COUNT / 2 {
        create(number);
        if number == 3 {
            let asked = Instant::now();
            follower.wait_for("v-3");
            assert!(
                asked.elapsed() < Duration::from_secs(5),
                "it was not told at once"
            );
        }
    }
    // What a killed writer or a full disk leaves is passed over.
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(br#"{"Name":"v-1000","Status":"cre"#)
        .unwrap();
    (COUNT / 2..COUNT).for_each(create);
    follower.wait_for(&format!("v-{}", COUNT - 1));
    follower.signal(Signal::SIGTERM);
    let shown = follower.finish();
    assert_eq!(numbers(shown.out()), (0..COUNT).collect::<Vec<_>>());
    assert!(log.metadata().unwrap().len() < 2500, "it was not shortened");
    let all = call(&["events", "--stream=false"]).run().expect(0);
    assert!(all.out().contains("log-rotation"), "{}", all.out());
}

#[test]
fn flags_of_events_have_podmans_words() {
    let sandbox = Sandbox::new();
    let none = sandbox.run(["--events-backend", "none", "events"]);
    let words = "cannot read events with the \"none\" backend";
    assert!(none.expect(125).err().contains(words));
    for (words, error) in [
        (
            ["events", "--since", "the dawn of time"],
            "failed to parse event filters",
        ),
        (
            ["events", "--filter", "size=3"],
            "size is an invalid filter",
        ),
    ] {
        let outcome = sandbox.run(words).expect(125);
        assert!(outcome.err().contains(error), "{}", outcome.err());
    }
    // Without a log there is nothing to show, and nothing to wait for.
    assert_eq!(sandbox.ok(["events", "--stream=false"]), "");
    let asked = Instant::now();
    assert_eq!(sandbox.ok(["events", "--until", "1s"]), "");
    assert!(asked.elapsed() >= Duration::from_secs(1));
}
