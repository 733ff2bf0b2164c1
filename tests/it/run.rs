// SPDX-License-Identifier: Apache-2.0 OR MIT
//! run in the foreground: exit codes, streams, environment, users, working directory, clean-up.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use nix::sys::signal::Signal;

use crate::support::host;
use crate::support::process::Call;
use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

/// `run --rm --network none` with more flags, the image, and a command.
fn run(sandbox: &Sandbox, flags: &[&str], command: &[&str]) -> Call {
    let mut arguments = vec!["run", "--rm", "--network", "none"];
    arguments.extend(flags);
    arguments.push(IMAGE);
    arguments.extend(command);
    sandbox.call(arguments)
}

/// What a command in a container prints.
#[track_caller]
fn prints(sandbox: &Sandbox, flags: &[&str], command: &[&str]) -> String {
    let outcome = run(sandbox, flags, command).run().expect(0);
    outcome.out().to_owned()
}

#[test]
fn exit_codes_are_those_that_scripts_know() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let cases: [(&[&str], &[&str], i32); 10] = [
        (&[], &["true"], 0),
        (&[], &["false"], 1),
        (&[], &["sh", "-c", "exit 32"], 32),
        (&["--init"], &["sh", "-c", "kill -9 $$"], 137),
        (&["--init"], &["sh", "-c", "exit 5"], 5),
        (&[], &["/no/such/command"], 127),
        (&[], &["nosuchcommand"], 127),
        (&[], &["/etc"], 126),
        (&[], &["/etc/passwd"], 126),
        (&["--no-such-flag"], &["true"], 125),
    ];
    for (flags, command, code) in cases {
        let outcome = run(&sandbox, flags, command).run();
        assert_eq!(outcome.code, code, "{command:?}: {}", outcome.stderr);
        if (125..128).contains(&code) {
            assert!(outcome.err().starts_with("Error: "), "{}", outcome.stderr);
        }
    }
    assert_eq!(sandbox.ok(["ps", "-aq"]), "", "--rm left nothing");
}

#[test]
fn streams_pass_through_unchanged() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let outcome = run(&sandbox, &[], &["sh", "-c", "echo out; echo err >&2"])
        .run()
        .expect(0);
    assert_eq!(outcome.stdout, "out\n");
    assert_eq!(outcome.stderr, "err\n");
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let echoed = run(&sandbox, &["-i"], &["cat"])
        .stdin(bytes.clone())
        .run()
        .expect(0);
    assert_eq!(echoed.stdout.len(), bytes.len());
    assert_eq!(echoed.stdout.as_bytes(), bytes);
    // Without -i there is nothing to read.
    let nothing = run(&sandbox, &[], &["cat"]).stdin("unseen").run().expect(0);
    assert_eq!(nothing.stdout, "");
}

#[test]
fn everything_after_the_image_is_the_containers() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    assert_eq!(
        prints(&sandbox, &[], &["echo", "--rm", "-it", "--", "x"]),
        "--rm -it -- x"
    );
    let odd = ["a b", "", "'q'", "\"d\"", "$HOME", "*", "über", "\n"];
    let mut command = vec!["sh", "-c", "for a; do printf '[%s]' \"$a\"; done", "sh"];
    command.extend(odd);
    let expected = format!("[{}]", odd.join("]["));
    assert_eq!(prints(&sandbox, &[], &command), expected);
}

#[test]
fn the_environment_is_made_of_flags_files_and_defaults() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let file = sandbox.file("env", "# comment\nFROM_FILE=file\nTAKEN\nEMPTY=\n");
    let outcome = run(
        &sandbox,
        &[
            "-e",
            "A=1",
            "-e",
            "A=2",
            "-e",
            "TAKEN_TOO",
            "--env-file",
            &file,
            "-e",
            "WITH=a=b c",
        ],
        &["env"],
    )
    .env("TAKEN", "by file")
    .env("TAKEN_TOO", "by flag")
    .env("SECRET", "not asked for")
    .run()
    .expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    for expected in [
        "A=2",
        "FROM_FILE=file",
        "TAKEN=by file",
        "TAKEN_TOO=by flag",
        "EMPTY=",
        "WITH=a=b c",
        "HOME=/root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ] {
        assert!(lines.contains(&expected), "{expected} in {lines:?}");
    }
    assert!(!outcome.stdout.contains("SECRET"));
    assert!(lines.iter().any(|line| line.starts_with("HOSTNAME=")));
    assert!(lines.iter().any(|line| line.starts_with("container=")));
}

#[test]
fn users_are_found_by_name_and_number_cve_2022_2989_cve_2022_2990_cve_2022_36109() {
    requires!("userns,range");
    let sandbox = Sandbox::with_image();
    let cases = [
        ("", "0:0:0"),
        ("guest", "1000:1000:1000 1001"),
        ("1000", "1000:1000:1000 1001"),
        ("guest:desk", "1000:1001:1001"),
        ("guest:5", "1000:5:5"),
        ("4321", "4321:0:0"),
        ("4321:1234", "4321:1234:1234"),
    ];
    for (user, expected) in cases {
        let flags = if user.is_empty() {
            vec![]
        } else {
            vec!["-u", user]
        };
        let script = "echo $(id -u):$(id -g):$(id -G)";
        assert_eq!(
            prints(&sandbox, &flags, &["sh", "-c", script]),
            expected,
            "{user}"
        );
    }
    let home = prints(&sandbox, &["-u", "guest"], &["sh", "-c", "echo $HOME"]);
    assert_eq!(home, "/home/guest");
    let groups = prints(&sandbox, &["--group-add", "desk"], &["id", "-G"]);
    assert_eq!(groups, "0 1001");
    let refused = run(&sandbox, &["-u", "nosuchuser"], &["true"]).run();
    assert!((125..=126).contains(&refused.code), "{}", refused.code);
    assert!(refused.stderr.contains("nosuchuser"), "{}", refused.stderr);
}

#[test]
fn the_working_directory_is_made_or_told() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    assert_eq!(prints(&sandbox, &[], &["pwd"]), "/");
    assert_eq!(prints(&sandbox, &["-w", "/tmp"], &["pwd"]), "/tmp");
    let refused = run(&sandbox, &["-w", "/no/such/dir"], &["pwd"]).run();
    assert_eq!(refused.code, 126, "{}", refused.stdout);
    assert!(
        refused.stderr.contains("/no/such/dir"),
        "{}",
        refused.stderr
    );
}

#[test]
fn host_names_are_what_was_asked_for() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    assert_eq!(
        prints(&sandbox, &["--hostname", "box"], &["hostname"]),
        "box"
    );
    let seen = prints(&sandbox, &["-h", "box"], &["cat", "/etc/hostname"]);
    assert_eq!(seen, "box");
    let id = sandbox.ok(["run", "-d", "--network", "none", IMAGE, "hostname"]);
    sandbox.ok(["wait", &id]);
    assert_eq!(sandbox.ok(["logs", &id]), id[..12]);
}

#[test]
fn the_container_has_namespaces_of_its_own() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "for n in mnt pid ipc uts net user; do readlink /proc/self/ns/$n; done";
    let seen = prints(&sandbox, &[], &["sh", "-c", script]);
    assert_eq!(seen.lines().count(), 6, "{seen}");
    for (line, name) in seen
        .lines()
        .zip(["mnt", "pid", "ipc", "uts", "net", "user"])
    {
        let host = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        if name == "user" && host::is_root() {
            continue;
        }
        assert_ne!(line, host.to_string_lossy(), "{name}");
    }
    assert_eq!(prints(&sandbox, &[], &["sh", "-c", "echo $$"]), "1");
    let shared = prints(
        &sandbox,
        &["--uts=host"],
        &["readlink", "/proc/self/ns/uts"],
    );
    assert_eq!(
        shared,
        fs::read_link("/proc/self/ns/uts")
            .unwrap()
            .to_string_lossy()
    );
}

#[test]
fn bind_mounts_show_the_hosts_files() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.path("shared")).unwrap();
    let shared = sandbox.shown("shared");
    sandbox.file("shared/hello", "from the host\n");
    let volume = format!("{shared}:/mnt/v");
    assert_eq!(
        prints(&sandbox, &["-v", &volume], &["cat", "/mnt/v/hello"]),
        "from the host"
    );
    prints(
        &sandbox,
        &["-v", &volume],
        &["sh", "-c", "echo back > /mnt/v/new"],
    );
    let written = fs::metadata(sandbox.path("shared/new")).unwrap();
    assert_eq!(
        written.uid(),
        nix::unistd::geteuid().as_raw(),
        "root's file is the caller's"
    );
    let read_only = format!("{shared}:/mnt/v:ro");
    let refused = run(&sandbox, &["-v", &read_only], &["touch", "/mnt/v/x"]).run();
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("Read-only file system"),
        "{}",
        refused.stderr
    );
    let mount = format!("type=bind,source={shared},target=/m,readonly");
    let listed = prints(&sandbox, &["--mount", &mount], &["ls", "/m"]);
    assert_eq!(listed, "hello\nnew");
    std::os::unix::fs::symlink("hello", sandbox.path("shared/link")).unwrap();
    for kind in ["bind,src={}/link,dst=/m/link", "glob,src={}/lin*,dst=/m/"] {
        let mount = format!("type={},no-dereference", kind.replace("{}", &shared));
        let link = prints(&sandbox, &["--mount", &mount], &["readlink", "/m/link"]);
        assert_eq!(link, "hello");
    }
    let missing = format!("{shared}/nosuch:/m");
    let refused = run(&sandbox, &["-v", &missing], &["true"])
        .run()
        .expect(125);
    assert!(refused.stderr.contains("nosuch"), "{}", refused.stderr);
}

#[test]
fn tmpfs_and_read_only_roots() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let refused = run(&sandbox, &["--read-only"], &["touch", "/x"])
        .run()
        .expect(1);
    assert!(
        refused.stderr.contains("Read-only file system"),
        "{}",
        refused.stderr
    );
    prints(
        &sandbox,
        &["--read-only"],
        &["touch", "/tmp/x", "/run/x", "/var/tmp/x", "/dev/shm/x"],
    );
    let flags = ["--read-only", "--read-only-tmpfs=false"];
    run(&sandbox, &flags, &["touch", "/tmp/x"]).run().expect(1);
    let mounted = prints(
        &sandbox,
        &["--tmpfs", "/scratch:size=1m,mode=700"],
        &[
            "sh",
            "-c",
            "stat -c %a /scratch; grep ' /scratch ' /proc/mounts",
        ],
    );
    assert!(mounted.starts_with("700\n"), "{mounted}");
    assert!(mounted.contains("size=1024k"), "{mounted}");
    // The mode of what is covered, as far as there is something.
    let places = [
        "--tmpfs",
        "/home/guest",
        "--tmpfs",
        "/tmp",
        "--tmpfs",
        "/new",
    ];
    let modes = ["stat", "-c", "%a", "/home/guest", "/tmp", "/new"];
    assert_eq!(prints(&sandbox, &places, &modes), "755\n1777\n1777");
}

#[test]
fn signals_reach_the_container_in_the_foreground() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let running = run(&sandbox, &[], &["sh", "-c", script]).spawn();
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    let ended = running.finish().expect(9);
    assert!(ended.stdout.contains("got it"), "{}", ended.stdout);
}

#[test]
fn files_about_a_container_are_written() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let (cidfile, pidfile) = (sandbox.shown("cid"), sandbox.shown("pid"));
    let flags = ["--cidfile", &cidfile, "--pidfile", &pidfile];
    let mut arguments = vec!["run", "-d", "--network", "none"];
    arguments.extend(flags);
    arguments.extend([IMAGE, "sleep", "1000"]);
    let id = sandbox.ok(arguments);
    assert_eq!(fs::read_to_string(&cidfile).unwrap(), id);
    let pid = fs::read_to_string(&pidfile).unwrap();
    assert_eq!(pid, sandbox.field(&id, ".State.Pid"));
    // podman writes over an old file since its fifth version.
    if tool() == Tool::Coracle {
        run(&sandbox, &["--cidfile", &cidfile], &["true"])
            .run()
            .expect(0);
        assert_ne!(fs::read_to_string(&cidfile).unwrap_or_default(), id);
    }
}

#[test]
fn a_root_file_system_is_an_image_too() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let rootfs = sandbox.rootfs("root");
    let run = |rootfs: &str, script: &str| {
        sandbox.run([
            "run",
            "--rm",
            "--network",
            "none",
            "--rootfs",
            rootfs,
            "sh",
            "-c",
            script,
        ])
    };
    assert_eq!(
        run(&rootfs, "cat /etc/issue").expect(0).out(),
        "a small root file system"
    );
    run(&rootfs, "echo kept > /kept").expect(0);
    assert!(sandbox.path("root/kept").exists());
    let overlay = format!("{rootfs}:O");
    run(&overlay, "cat /kept; echo gone > /gone; rm /kept").expect(0);
    assert!(sandbox.path("root/kept").exists());
    assert!(!sandbox.path("root/gone").exists());
    let missing = format!("{rootfs}/nosuch");
    let refused = run(&missing, "true");
    assert_eq!(refused.code, 125);
    assert!(refused.stderr.contains("nosuch"), "{}", refused.stderr);
}

#[test]
fn the_default_rights_are_those_people_expect() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr '\\t' ' '";
    let status = |flags: &[&str]| prints(&sandbox, flags, &["sh", "-c", script]);
    let default = status(&[]);
    assert!(default.contains("CapEff: 00000000800405fb"), "{default}");
    assert!(default.contains("Seccomp: 2"), "{default}");
    let dropped = status(&["--cap-drop", "all"]);
    assert!(dropped.contains("CapEff: 0000000000000000"), "{dropped}");
    assert!(dropped.contains("CapBnd: 0000000000000000"), "{dropped}");
    let one = status(&["--cap-drop=all", "--cap-add=net_raw"]);
    assert!(one.contains("CapEff: 0000000000002000"), "{one}");
    let quiet = status(&[
        "--security-opt",
        "no-new-privileges",
        "--security-opt",
        "seccomp=unconfined",
    ]);
    assert!(
        quiet.contains("NoNewPrivs: 1") && quiet.contains("Seccomp: 0"),
        "{quiet}"
    );
    let refused = run(&sandbox, &["--cap-add", "nosuchcap"], &["true"]).run();
    assert_eq!(refused.code, 125, "{}", refused.stderr);
}

#[test]
fn limits_and_kernel_settings_hold_inside() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let limit = prints(
        &sandbox,
        &["--ulimit", "nofile=321:654"],
        &["sh", "-c", "ulimit -Sn; ulimit -Hn"],
    );
    assert_eq!(limit, "321\n654");
    let flags = ["--network", "none", "--ulimit", "nofile=321:654"];
    let few = ["--name", "few", IMAGE, "sleep", "1000"];
    sandbox.ok([&["run", "-d"], &flags[..], &few].concat());
    let session = sandbox.ok(["exec", "few", "sh", "-c", "ulimit -Sn; ulimit -Hn"]);
    assert_eq!(session, limit);
    // Fewer than what is open while the program is looked for.
    let four = ["--ulimit", "nofile=4:4"];
    let few = prints(&sandbox, &four, &["sh", "-c", "ulimit -n"]);
    assert_eq!(few, "4");
    let more = "nofile=4000000000:4000000000";
    let call = run(&sandbox, &["--ulimit", more], &["true"]);
    call.run()
        .expect(126)
        .says("setrlimit `RLIMIT_NOFILE`: Operation not permitted");
    // Root may ask for less than it has, nobody else.
    let own = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let least = ["--oom-score-adj", "-1000"];
    let score = prints(&sandbox, &least, &["cat", "/proc/self/oom_score_adj"]);
    let is_kept = score == own.trim();
    assert!(is_kept || nix::unistd::geteuid().is_root(), "{score}");
    let forward = prints(
        &sandbox,
        &["--sysctl", "net.ipv4.ip_forward=1"],
        &["cat", "/proc/sys/net/ipv4/ip_forward"],
    );
    assert_eq!(forward, "1");
    let shm = prints(
        &sandbox,
        &["--shm-size", "2m"],
        &["sh", "-c", "df -k /dev/shm | tail -1"],
    );
    assert!(shm.split_whitespace().any(|word| word == "2048"), "{shm}");
}

#[test]
fn a_time_zone_is_the_images_file_or_a_copy() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir_all(sandbox.path("zones/Far")).unwrap();
    sandbox.file("zones/Far/Away", "the machine's zone");
    let zones = sandbox.shown("zones");
    let shown = |zone: &str, command: &[&str]| {
        run(&sandbox, &["--tz", zone], command)
            .env("TZDIR", &zones)
            .run()
    };
    let copy = shown("Far/Away", &["cat", "/etc/localtime"]).expect(0);
    assert_eq!(copy.stdout, "the machine's zone");
    shown("Far/Gone", &["true"]).expect(125).says("Far/Gone");
    let script = "mkdir -p /usr/share/zoneinfo/Far; echo own >/usr/share/zoneinfo/Far/Away";
    let flags = ["--name", "zoned", "--network", "none", "--tz", "Far/Away"];
    let first = ["create", IMAGE, "sh", "-c"];
    let script = format!("readlink /etc/localtime || {{ {script}; }}");
    let line = [&first[..1], &flags, &first[1..], &[script.as_str()]].concat();
    sandbox.call(line).env("TZDIR", &zones).run().expect(0);
    let start = || {
        let call = sandbox.call(["start", "-a", "zoned"]);
        call.env("TZDIR", &zones).run().expect(0).stdout
    };
    assert_eq!(start(), "");
    assert_eq!(start(), "../usr/share/zoneinfo/Far/Away\n");
}

#[test]
fn nothing_is_writable_without_scratch_places() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let flags = ["--read-only", "--read-only-tmpfs=false"];
    let places = ["/tmp/a", "/dev/a", "/dev/shm/a", "/run/a"];
    let outcome = run(&sandbox, &flags, &[&["touch"][..], &places].concat()).run();
    for place in places {
        let refusal = format!("{place}: Read-only file system");
        assert!(outcome.stderr.contains(&refusal), "{}", outcome.stderr);
    }
    // Devices work all the same.
    let script = "echo x >/dev/null; echo y >/dev/stdout; ls /dev/pts/ptmx";
    assert_eq!(
        prints(&sandbox, &flags, &["sh", "-c", script]),
        "y\n/dev/pts/ptmx"
    );
}

#[test]
fn the_id_is_shown_where_nothing_of_the_container_is() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let flags = ["--name", "mute", "--attach", "stdin", "--network", "none"];
    let line = [&["run"][..], &flags, &[IMAGE, "echo", "unseen"]].concat();
    let id = sandbox.ok(line);
    assert_eq!(sandbox.field("mute", ".Id"), id);
    // The caller's account is known inside, its group is not.
    let user = ["--hostuser", "root", "--user", "root:nosuchgroup"];
    run(&sandbox, &user, &["true"])
        .run()
        .expect(126)
        .says("no matching entries in group file");
}

#[test]
fn a_container_gets_copies_of_the_default_mounts() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.path("keys")).unwrap();
    let key = sandbox.file("keys/one", "host");
    let lines = format!("/no/such/path\n{}:/run/secrets\n", sandbox.shown("keys"));
    let file = sandbox.file("mounts.conf", &lines);
    let flag = format!("--default-mounts-file={file}");
    let script = "cat /run/secrets/one; echo changed >/run/secrets/one";
    assert_eq!(prints(&sandbox, &[&flag], &["sh", "-c", script]), "host");
    assert_eq!(fs::read_to_string(key).unwrap(), "host");
}

#[test]
fn coracle_is_its_own_runtime() {
    requires!("userns");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::with_image();
    let words = "unknown option --sideways";
    let run = ["run", "--rm", "--network", "none", IMAGE, "true"];
    let flagged = [&["--runtime-flag", "sideways"], &run[..]].concat();
    sandbox.run(flagged).expect(126).says(words);
    let conf = sandbox.file(
        "c.conf",
        "[engine.runtimes_flags]\ncoracle=['sideways']\ncrun=['x']",
    );
    let call = sandbox.call(run).env("CONTAINERS_CONF", &conf);
    call.run().expect(126).says(words);
    sandbox
        .run([&["--runtime", "/bin/sh"], &run[..]].concat())
        .expect(125)
        .says("choose from: coracle");
    sandbox.ok([&["--runtime", "coracle"], &run[..]].concat());
}

/// The monitor tells its steps there, too, and lets go of it: whoever reads sees the end.
#[test]
fn each_step_of_a_start_is_told_to_who_debugs() {
    requires!("userns");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::with_image();
    let steps = [
        "make container ",
        "on /proc\"",
        "find and execute [\\\"sleep",
        "the program runs as",
    ];
    let words = [
        "--log-level",
        "debug",
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        IMAGE,
    ];
    let outcome = sandbox
        .run([&words[..], &["sleep", "1000"]].concat())
        .expect(0);
    for step in steps {
        assert!(outcome.stderr.contains(step), "{step}: {}", outcome.stderr);
    }
    let timed = |line: &str| line.starts_with("time=\"2") && line.contains(" msg=\"");
    assert!(outcome.stderr.lines().all(timed), "{}", outcome.stderr);
    let outcome = sandbox.run(["--debug", "exec", "web", "true"]).expect(0);
    outcome.says("find and execute [\\\"true");
}
