// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The command line itself: what is read, what is refused and in which words, help, dialects.

use std::os::unix::fs::symlink;

use crate::support::process::Call;
use crate::support::sandbox::{IMAGE, Tool, program, tool};
use crate::support::{Outcome, Sandbox, requires};

/// The tool with words of a line, without a store.
fn line(words: &str) -> Outcome {
    Call::new(&program())
        .env("CORACLE_MODE", "podman")
        .args(words.split_whitespace())
        .run()
}

/// The same in docker's words.
fn docker_line(words: &str) -> Outcome {
    Call::new(&program())
        .env("CORACLE_MODE", "docker")
        .args(words.split_whitespace())
        .run()
}

/// What only our own tool says.
fn is_ours() -> bool {
    tool() == Tool::Coracle
}

#[test]
fn what_nobody_knows_is_refused_by_name() {
    let cases = [
        ("run --bogus x", "Error: unknown flag: --bogus"),
        ("run -tX x", "Error: unknown shorthand flag: 'X' in -X"),
        ("run --name", "Error: flag needs an argument: --name"),
        ("run -e", "Error: flag needs an argument: 'e' in -e"),
        (
            "run --rm=maybe x",
            "Error: invalid argument \"maybe\" for \"--rm\" flag",
        ),
        ("run", "Error: requires at least 1 arg(s), only received 0"),
        ("bogus", "Error: unrecognized command `"),
        ("container bogus", " container bogus`"),
        ("container", " container COMMAND'"),
        ("ps --remote", "Error: unknown flag: --remote"),
    ];
    for (words, message) in cases {
        line(words).expect(125).says(message);
    }
}

#[test]
fn dockers_users_are_told_in_its_words() {
    if !is_ours() {
        return;
    }
    let cases = [
        ("run", "\" requires at least 1 argument.\nSee '"),
        ("tag a", "\" requires at least 2 arguments."),
        ("ps x", "\" accepts no arguments."),
        ("rm -f", " rm\" requires at least 1 argument.\n"),
        ("stop", " stop\" requires at least 1 argument.\n"),
        ("start", " start\" requires at least 1 argument.\n"),
        ("inspect", " inspect\" requires at least 1 argument.\n"),
        ("rmi", " rmi\" requires at least 1 argument.\n"),
        (
            "pss",
            "docker: 'pss' is not a docker command.\n\nDid you mean this?\n    ps\n",
        ),
        ("container strat", "\n    start\n"),
    ];
    for (words, message) in cases {
        docker_line(words).expect(1).says(message);
    }
}

#[test]
fn an_unknown_flag_points_to_the_page_of_its_command() {
    let outcome = line("run --bogus x");
    assert!(
        outcome.err().ends_with(" run --help'"),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.out(), "");
}

#[test]
fn features_that_are_not_there_are_named() {
    if !is_ours() {
        return;
    }
    let cases = [
        ("compose up", "Error: compose: not supported yet"),
        ("build .", "Error: build: not supported yet"),
        ("swarm init", "Error: swarm: coracle runs on one machine"),
        ("run --link a x", "Error: --link: not supported yet"),
        (
            "--url tcp://x ps",
            "Error: --url tcp://x: coracle works on this machine only",
        ),
        ("--runtime crun ps", "Error: --runtime crun: not supported"),
    ];
    for (words, message) in cases {
        line(words).expect(125).says(message);
    }
}

/// podman-compose asks with an empty word behind it.
#[test]
fn the_version_is_told_whatever_follows() {
    let call = |words: &[&str]| Call::new(&program()).args(words).run().expect(0);
    for words in [&["--version"][..], &["--version", ""], &["-v", "nosuch"]] {
        let told = call(words);
        assert!(told.out().contains(" version "), "{told:?}");
    }
}

#[test]
fn help_stands_on_standard_output() {
    for words in [
        "run --help",
        "help run",
        "container run --help",
        "--help",
        "ps -h",
    ] {
        let outcome = line(words).expect(0);
        assert!(
            outcome.stdout.contains("\nUsage:\n  "),
            "{words}: {}",
            outcome.stdout
        );
        assert!(
            outcome.stdout.contains("\nOptions:\n"),
            "{words}: {}",
            outcome.stdout
        );
        assert_eq!(outcome.err(), "", "{words}");
    }
    let usage = line("run --help").stdout;
    assert!(
        usage.contains(" run [options] IMAGE [COMMAND [ARG...]]\n"),
        "{usage}"
    );
}

#[test]
fn a_bare_program_shows_its_page_and_fails() {
    let outcome = line("").expect(125).says("missing command '");
    assert!(
        outcome.stdout.contains("Available Commands:"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn flags_of_the_program_stand_before_or_after_the_command() {
    for words in [
        "--log-level debug ps",
        "ps --log-level=debug",
        "container --log-level debug ps",
    ] {
        let outcome = Sandbox::new().run(words.split(' ')).expect(0);
        assert!(
            outcome.stderr.contains("level=debug"),
            "{words}: {}",
            outcome.stderr
        );
    }
    line("--log-level telepathic ps")
        .expect(1)
        .says("Log Level \"telepathic\" is not supported");
    line("--debug --log-level panic ps")
        .expect(1)
        .says("Setting --log-level and --debug is not allowed");
}

#[test]
fn output_can_be_sent_elsewhere() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let outcome = sandbox.run(["--noout", "ps"]).expect(0);
    assert_eq!(outcome.out(), "");
    let file = sandbox.shown("out");
    sandbox.run(["--out", &file, "ps"]).expect(0);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("CONTAINER ID"), "{text}");
}

#[test]
fn docker_mode_has_dockers_words() {
    if !is_ours() {
        return;
    }
    let outcome = docker_line("run --bogus x").expect(125);
    assert!(
        outcome.err().starts_with("unknown flag: --bogus\nSee '"),
        "{}",
        outcome.stderr
    );
    docker_line("run --rm --restart=always x")
        .expect(125)
        .says("docker: conflicting options: cannot specify both --restart and --rm");
    docker_line("run -it x").says("the input device is not a TTY");
    let missing = Sandbox::new()
        .call(["run", "--network", "none", "nosuch"])
        .env("CORACLE_MODE", "docker")
        .run();
    missing
        .expect(125)
        .says("docker: Error response from daemon: ");
    docker_line("").expect(0);
}

#[test]
fn docker_mode_gives_callers_their_own_files() {
    requires!("userns,range");
    if !is_ours() {
        return;
    }
    let sandbox = Sandbox::with_image();
    let directory = sandbox.path("w");
    std::fs::create_dir(&directory).unwrap();
    let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
    let user = format!("{uid}:{gid}");
    let volume = format!("{}:/w", directory.display());
    let run = [
        "run",
        "--rm",
        "--network=none",
        "-u",
        &user,
        "-v",
        &volume,
        IMAGE,
        "sh",
        "-c",
        "id -u; id -g; touch /w/file",
    ];
    let outcome = sandbox
        .call(run)
        .env("CORACLE_MODE", "docker")
        .run()
        .expect(0);
    assert_eq!(outcome.out(), format!("{uid}\n{gid}"));
    let file = std::fs::metadata(directory.join("file")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&file), uid.as_raw());
    assert_eq!(std::os::unix::fs::MetadataExt::gid(&file), gid.as_raw());
}

#[test]
fn docker_mode_makes_missing_sources() {
    requires!("userns");
    if !is_ours() {
        return;
    }
    let sandbox = Sandbox::with_image();
    let volume = format!("{}:/w", sandbox.shown("not/there"));
    let run = [
        "run",
        "--rm",
        "--network=none",
        "-v",
        &volume,
        IMAGE,
        "true",
    ];
    sandbox
        .run(run)
        .expect(125)
        .says("no such file or directory");
    sandbox
        .call(run)
        .env("CORACLE_MODE", "docker")
        .run()
        .expect(0);
    assert!(sandbox.path("not/there").is_dir());
}

#[test]
fn a_link_called_docker_is_docker() {
    if !is_ours() {
        return;
    }
    let sandbox = Sandbox::new();
    let link = sandbox.path("docker");
    symlink(program(), &link).unwrap();
    let outcome = Call::new(&link.to_string_lossy())
        .args(["run", "--bogus", "x"])
        .run();
    assert_eq!(
        outcome.err(),
        "unknown flag: --bogus\nSee 'docker run --help'."
    );
    let conf = sandbox.file("containers.conf", "[engine]\nmode = \"docker\"\n");
    let outcome = Call::new(&program())
        .env("CONTAINERS_CONF", conf)
        .args(["run", "--bogus", "x"])
        .run();
    assert!(
        outcome.err().starts_with("unknown flag"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_follows_the_image_belongs_to_the_container() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let run = [
        "run",
        "--rm",
        "--network=none",
        IMAGE,
        "echo",
        "--rm",
        "-it",
        "--",
        "--bogus",
    ];
    assert_eq!(sandbox.ok(run), "--rm -it -- --bogus");
    let run = ["run", "--rm", "--network=none", "--", IMAGE, "echo", "x"];
    assert_eq!(sandbox.ok(run), "x");
}

#[test]
fn a_switch_can_be_switched_off() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let run = [
        "run",
        "--rm",
        "--rm=false",
        "--name=kept",
        "--network",
        "none",
        IMAGE,
        "true",
    ];
    sandbox.ok(run);
    sandbox.run(["container", "exists", "kept"]).expect(0);
}

#[test]
fn variables_come_from_everywhere() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let file = sandbox.file("env", "# comment\nA=file\nB=file\nFROM_CALLER\nLC_*\n");
    let run = [
        "run",
        "--rm",
        "--network=none",
        "--env-file",
        &file,
        "-e",
        "A=flag",
        "-eC=a=b",
        IMAGE,
        "env",
    ];
    let outcome = sandbox
        .call(run)
        .env("FROM_CALLER", "yes")
        .env("LC_TIME", "de")
        .env("NOT_ASKED", "no")
        .run()
        .expect(0);
    let has = |line: &str| outcome.stdout.lines().any(|known| known == line);
    for line in ["A=flag", "B=file", "C=a=b", "FROM_CALLER=yes", "LC_TIME=de"] {
        assert!(has(line), "{line}: {}", outcome.stdout);
    }
    assert!(!has("NOT_ASKED=no"), "{}", outcome.stdout);
}

/// The tree itself may be root's alone, and tests are an ordinary user's.
const BASH_COMPLETION: &str = include_str!("../../completions/coracle.bash");

#[test]
fn completion_scripts_are_those_of_the_tree() {
    for (shell, script) in [
        ("bash", BASH_COMPLETION),
        ("zsh", include_str!("../../completions/_coracle")),
        ("fish", include_str!("../../completions/coracle.fish")),
    ] {
        let outcome = line(&format!("completion {shell}")).expect(0);
        assert_eq!(outcome.stdout, script);
    }
    line("completion tcsh").expect(125);
}

#[test]
fn a_word_is_completed_by_what_there_is() {
    requires!("userns");
    if !is_ours() {
        return;
    }
    let sandbox = Sandbox::with_image();
    sandbox.ok(["create", "--name", "webby", "--network=none", IMAGE, "true"]);
    let short = IMAGE.rsplit(['/', ':']).nth(1).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["unp"], "unpause\n:4"),
        (&["container", "unp"], "unpause\n:4"),
        (&["run", "--priv"], "--privileged\n:4"),
        (&["run", "--network", "ho"], "host\n:4"),
        (&["run", "--network=ho"], "host\n:4"),
        (&["run", "-v", "/"], ":0"),
        (&["run", "-it", &short[..3]], short),
        (&["run", IMAGE, "--"], ":0"),
        (&["logs", "we"], "webby\n:4"),
        (&["stop", "we"], ":4"),
        (&["--log-level", "debug", "rm", "-f", "we"], "webby\n:4"),
        (&["nope", ""], ":0"),
    ];
    for (words, expected) in cases {
        let line = ["__completeNoDesc"].iter().chain(*words);
        let outcome = sandbox.run(line).expect(0);
        assert!(
            outcome.out().starts_with(expected),
            "{words:?}: {}",
            outcome.stdout
        );
    }
    let told = sandbox.ok(["__complete", "rmi"]);
    assert!(told.starts_with("rmi\tRemove one or more images"), "{told}");
}

#[test]
fn bash_completes_with_what_the_program_answers() {
    if !is_ours() {
        return;
    }
    let script = r#"
        eval "$1"
        words=("$2" container unp)
        COMP_LINE="${words[*]}" COMP_POINT=1000 COMP_CWORD=2 COMP_WORDS=("${words[@]}")
        compopt() { :; }
        __coracle_complete
        echo "${COMPREPLY[@]}"
    "#;
    let outcome = Call::new("bash")
        .args(["-c", script, "bash", BASH_COMPLETION, &program()])
        .run()
        .expect(0);
    assert_eq!(outcome.out(), "unpause");
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let script = format!(
        "{} completion bash 2>&1 >/dev/full | head -1; {0} --help | head -1",
        program()
    );
    let outcome = Call::new("sh").args(["-c", &script]).run().expect(0);
    assert!(!outcome.stdout.contains("panicked"), "{}", outcome.stdout);
    assert_eq!(outcome.err(), "");
}
