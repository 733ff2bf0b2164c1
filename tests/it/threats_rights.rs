// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a program in a container may not do: rights, system calls, devices, keys, the kernel's
//! own files, and other containers.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use crate::support::host::{self, Need};
use crate::support::process::Call;
use crate::support::sandbox::{IMAGE, Tool, tool};
use crate::support::{Sandbox, requires};

fn run(sandbox: &Sandbox, flags: &[&str], command: &[&str]) -> Call {
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(flags);
    words.push(IMAGE);
    words.extend(command);
    sandbox.call(words)
}

#[track_caller]
fn prints(sandbox: &Sandbox, flags: &[&str], script: &str) -> String {
    let outcome = run(sandbox, flags, &["sh", "-c", script]).run();
    outcome.expect(0).out().to_owned()
}

/// Flags that show the host's perl inside: it can make any system call.
fn with_perl() -> Vec<&'static str> {
    let mut flags = vec!["-v", "/usr:/usr:ro", "-v", "/usr/lib:/lib:ro"];
    if Path::new("/usr/lib64").exists() {
        flags.extend(["-v", "/usr/lib64:/lib64:ro"]);
    }
    flags
}

/// The five capability sets, as hexadecimal without leading zeros.
const CAPABILITIES: &str = "sed -n 's/^Cap[A-Z][a-z]*:[^0-9a-f]*0*\\(.\\)/\\1/p' \
                            /proc/self/status | tr '\\n' ' '";

#[test]
fn capability_sets_are_the_same_in_run_and_exec_cve_2022_24769_cve_2022_27650_cve_2022_29162() {
    requires!("userns,range");
    let sandbox = Sandbox::with_image();
    // Inheritable, permitted, effective, bounding, ambient (CVE-2022-24769: nothing inheritable).
    let cases: [(&[&str], &str); 6] = [
        (&[], "0 800405fb 800405fb 800405fb 0"),
        (&["-u", "guest"], "0 0 0 800405fb 0"),
        (
            &["-u", "guest", "--cap-add", "net_raw"],
            "2000 2000 2000 800425fb 2000",
        ),
        (&["--cap-drop", "all"], "0 0 0 0 0"),
        (&["-u", "guest", "--cap-drop", "all"], "0 0 0 0 0"),
        (&["--cap-drop", "all", "--cap-add", "chown"], "0 1 1 1 0"),
    ];
    for (number, (flags, expected)) in cases.into_iter().enumerate() {
        let name = format!("c{number}");
        let mut words = vec!["run", "-d", "--network", "none", "--name", &name];
        words.extend(flags);
        let script = format!("{CAPABILITIES}; exec sleep 1000");
        words.extend([IMAGE, "sh", "-c", &script]);
        sandbox.ok(words);
        sandbox.wait_log(&name, &format!("{expected} "));
        let seen = sandbox.ok(["exec", &name, "sh", "-c", CAPABILITIES]);
        assert_eq!(seen, expected, "exec after {flags:?}");
    }
    let root = sandbox.ok(["exec", "-u", "0", "c1", "sh", "-c", CAPABILITIES]);
    assert_eq!(root, "0 800405fb 800405fb 800405fb 0");
    let privileged = sandbox.ok(["exec", "--privileged", "c3", "sh", "-c", CAPABILITIES]);
    assert!(privileged.starts_with("0 1ffffffffff "), "{privileged}");
}

#[test]
fn a_setuid_program_gives_nothing_after_no_new_privileges() {
    requires!("userns,range");
    let sandbox = Sandbox::with_image();
    let script = "cp /usr/bin/id /sid && chmod 4755 /sid; echo ready; exec sleep 1000";
    for (name, option) in [("old", "false"), ("new", "true")] {
        let option = format!("no-new-privileges={option}");
        let mut words = vec!["run", "-d", "--network", "none", "--name", name];
        words.extend(with_perl());
        words.extend(["--security-opt", &option, IMAGE, "sh", "-c", script]);
        sandbox.ok(words);
        sandbox.wait_log(name, "ready");
    }
    let id = |name: &str| sandbox.ok(["exec", "-u", "guest", name, "/sid", "-u"]);
    assert_eq!((id("old"), id("new")), ("0".to_owned(), "1000".to_owned()));
    // A loader variable of the caller's or the image's is the container's own affair.
    let preload = ["-e", "LD_PRELOAD=/no/such.so", "-e", "LD_LIBRARY_PATH=/tmp"];
    let outcome = run(&sandbox, &preload, &["true"]).run().expect(0);
    assert_eq!(outcome.stderr, "");
    // What cannot be had is an error and not silence.
    let profile = ["--security-opt", "apparmor=no-such-profile"];
    run(&sandbox, &profile, &["true"])
        .run()
        .expect(125)
        .says("apparmor");
}

/// Numbers of system calls: those from 424 on are the same everywhere.
const ADD_KEY: u32 = if cfg!(target_arch = "x86_64") {
    248
} else {
    217
};
const KEYCTL: u32 = if cfg!(target_arch = "x86_64") {
    250
} else {
    219
};
const OPEN_BY_HANDLE: u32 = if cfg!(target_arch = "x86_64") {
    304
} else {
    265
};
const BPF: u32 = if cfg!(target_arch = "x86_64") {
    321
} else {
    280
};

#[test]
fn system_calls_are_refused_as_programs_expect() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let call = |words: &str| format!("$!=0; syscall({words}); print $!+0, ' ';");
    let script = [
        // Unknown calls look unknown, so that libraries fall back.
        call("9999"),
        call("425, 1, 0"),
        call(&format!("{BPF}, 0, 0, 0")),
        call(&format!("{OPEN_BY_HANDLE}, -1, 0, 0")),
        call("435, 0, 0"),
    ];
    let mut flags = with_perl();
    let command = ["perl", "-e", &script.concat()];
    let seen = run(&sandbox, &flags, &command).run().expect(0);
    let errors: Vec<&str> = seen.stdout.split_whitespace().collect();
    let (enosys, eperm, einval) = ("38", "1", "22");
    assert_eq!(errors, [enosys, enosys, eperm, eperm, einval]);
    flags.extend(["--security-opt", "seccomp=unconfined"]);
    let seen = run(&sandbox, &flags, &command).run().expect(0);
    let unfiltered: Vec<&str> = seen.stdout.split_whitespace().collect();
    assert_ne!(unfiltered, errors);
}

#[test]
fn the_callers_keys_stay_outside() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let name = "coracle-test-key";
    let search = format!(
        "print syscall({KEYCTL}, 10, -3, my $t = 'user', my $n = '{name}', 0) > 0 ? 'found' : 'none'"
    );
    let add = format!(
        "syscall({KEYCTL}, 1, 0); \
         syscall({ADD_KEY}, my $t = 'user', my $n = '{name}', my $v = 'v', 1, -3) > 0 or exit 77; \
         exec @ARGV"
    );
    let by = |command: &[&str]| {
        Call::new("perl")
            .args(["-e", &add, "--"])
            .args(command)
            .run()
    };
    assert_eq!(
        by(&["perl", "-e", &search]).expect(0).out(),
        "found",
        "the control"
    );
    let mut words = vec!["run", "-d", "--network", "none", "--name", "web"];
    words.extend(with_perl());
    words.extend([IMAGE, "sleep", "1000"]);
    sandbox.ok(&words);
    let by = |words: &[&str]| {
        let wrapper = ["perl", "-e", &add, "--"];
        sandbox.call_by(&wrapper, words).run().expect(0)
    };
    assert_eq!(by(&["exec", "web", "perl", "-e", &search]).out(), "none");
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(with_perl());
    words.extend([IMAGE, "perl", "-e", &search]);
    assert_eq!(by(&words).out(), "none");
    assert_eq!(prints(&sandbox, &[], "cat /proc/keys"), "");
}

#[test]
fn nothing_is_typed_into_the_callers_terminal_cve_2017_5226() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let tiocsti = "for (0..2) { open(my $f, '<&=', $_); my $c = 'x'; \
                   print ioctl($f, 0x5412, $c) ? 'TYPED' : 'refused' } print \"\\n\"";
    for flags in [&["-i"][..], &["-i", "--log-driver", "passthrough-tty"]] {
        let mut words = vec!["run", "--rm", "--network", "none"];
        words.extend(with_perl());
        words.extend(flags);
        words.extend([IMAGE, "perl", "-e", tiocsti]);
        let terminal = sandbox.terminal(words);
        terminal.wait_for("refusedrefusedrefused");
        assert_eq!(terminal.finish(), 0);
    }
}

#[test]
fn what_the_kernel_shows_is_masked_or_cannot_be_written_cve_2022_0492_cve_2023_25809() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let masked = "for p in acpi kcore keys latency_stats sched_debug scsi timer_list timer_stats \
                  interrupts; do p=/proc/$p; test -e $p || continue; \
                  test -d $p && ls -A $p || head -c 1 $p; done 2>&1; \
                  ls -A /sys/firmware /sys/devices/virtual/powercap 2>/dev/null | grep -v '^/sys\\|^$'";
    // Opened, not written: where one opens, nothing has happened yet.
    let read_only = "for p in asound bus fs irq sys; do test ! -e /proc/$p || touch /proc/$p/x; done; \
                     for f in sys/kernel/core_pattern sysrq-trigger sys/kernel/hostname; do \
                     (: >> /proc/$f) && echo $f opens; done; true";
    let writable = "awk '$5 ~ \"^/sys\" && $6 !~ /^ro/' /proc/self/mountinfo; \
                    touch /sys/x /sys/fs/cgroup/x /sys/kernel/x 2>/dev/null; true";
    for mode in [
        ["--network", "none"],
        ["--network", "host"],
        ["--pid", "host"],
    ] {
        let run = |script: &str| {
            let words = [&["run", "--rm"], &mode[..], &[IMAGE, "sh", "-c", script]].concat();
            sandbox.run(words).expect(0)
        };
        assert_eq!(run(&format!("{masked}; true")).stdout, "", "{mode:?}");
        let refused = run(read_only);
        assert_eq!(refused.stdout, "", "{mode:?}");
        assert!(refused.stderr.lines().count() >= 6, "{}", refused.stderr);
        assert_eq!(run(writable).stdout, "", "{mode:?}");
    }
    // A release agent of cgroup v1 would run outside. Root may set one.
    if !host::is_root() {
        let door = "mkdir /c; for k in memory rdma misc pids; do mount -t cgroup -o $k c /c && \
                    echo /agent > /c/release_agent && echo written; umount /c; done 2>/dev/null; true";
        assert_eq!(prints(&sandbox, &["--cap-add", "sys_admin"], door), "");
    }
    // A mask over a link of the image covers what it leads to.
    let mask = ["--security-opt", "mask=/hidden:/etc/os-release"];
    let rootfs = sandbox.rootfs("root");
    std::os::unix::fs::symlink("/home/guest", sandbox.path("root/hidden")).unwrap();
    sandbox.file("root/home/guest/secret", "secret");
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(mask);
    words.extend(["--rootfs", &rootfs, "ls", "/home/guest/"]);
    assert_eq!(sandbox.ok(words), "");
}

#[test]
fn every_layout_of_cgroups_runs_containers() {
    requires!("userns");
    let layouts = [
        "mount -t tmpfs none /sys/fs/cgroup",
        "mount -t tmpfs none /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup",
        "mount -t tmpfs none /sys/fs/cgroup && mount -t cgroup2 -o ro none /sys/fs/cgroup",
    ];
    let script = r#"
        "$@" import -q small.tar small >/dev/null
        "$@" run -d --network none --name web small sleep 1000 >/dev/null; echo run $?
        "$@" exec web true; echo exec $?
        "$@" pause web >/dev/null 2>&1; "$@" unpause web >/dev/null 2>&1
        "$@" rm -f -t 0 web; "$@" run --rm --network none small sh -c 'exit 3'; echo run $?
    "#;
    for layout in layouts {
        let sandbox = Sandbox::new();
        let mounts = format!("mount -t tmpfs -o mode=700 none s && {layout}");
        let outcome = sandbox.nested(&mounts, script).expect(0);
        assert_eq!(
            outcome.stdout, "run 0\nexec 0\nweb\nrun 3\n",
            "{layout}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn a_host_that_covers_parts_of_proc_and_sys_runs_containers() {
    requires!("userns");
    let script = r#"
        "$@" import -q small.tar small >/dev/null
        "$@" run --rm --network none small sh -c '
            test -e /proc/self/status && ls /sys >/dev/null && echo alive
            ls /proc/acpi; ls /sys/kernel; touch /sys/x 2>/dev/null || echo sealed'
        "$@" run --rm --network none --pid host small test -d /proc/self/fd && echo shared
    "#;
    let mounts = "mount -t tmpfs -o mode=700 none s && mount -t tmpfs none /proc/acpi \
                  && mount -t tmpfs none /sys/kernel";
    let outcome = Sandbox::new().nested(mounts, script).expect(0);
    assert_eq!(
        outcome.stdout, "alive\nsealed\nshared\n",
        "{}",
        outcome.stderr
    );
    let told = "/proc of this host is partly covered by other mounts";
    assert_eq!(
        outcome.stderr.matches(told).count(),
        1,
        "{}",
        outcome.stderr
    );
}

#[test]
fn mounts_travel_as_asked_and_never_to_the_host() {
    requires!("userns");
    let mounts = "mount -t tmpfs -o mode=700 none s && mkdir h && mount -t tmpfs none h \
                  && mount --make-shared h && mkdir h/late h/inner && mkfifo go done \
                  && { (read go <go; mount -t tmpfs none h/late; touch h/late/mark; echo >done) & }";
    let script = r#"
        "$@" import -q small.tar small >/dev/null
        for mode in private rprivate slave rslave shared rshared; do
            "$@" run -d --network none --cap-add sys_admin --name $mode -v $PWD/h:/h:$mode \
                small sleep 1000 >/dev/null
        done
        echo >go; read done <done
        for mode in private rprivate slave rslave shared rshared; do
            "$@" exec $mode sh -c '
                test -e /h/late/mark && seen=seen || seen=unseen
                mount -t tmpfs none /h/inner || echo refused
                grep -q " / / .*shared:" /proc/self/mountinfo && root=shared || root=own
                echo '$mode' $seen $root'
        done
        grep -c h/inner /proc/self/mountinfo
        "$@" rm -f -t 0 -a >/dev/null
    "#;
    let outcome = Sandbox::new().nested(mounts, script).expect(0);
    let expected = "private unseen own\nrprivate unseen own\nslave seen own\nrslave seen own\n\
                    shared seen shared\nrshared seen shared\n0\n";
    assert_eq!(outcome.stdout, expected, "{}", outcome.stderr);
}

#[test]
fn devices_are_those_of_the_specification() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "cd /dev; stat -c '%n %t:%T' null zero full random urandom tty; \
                  for l in fd stdin stdout stderr ptmx core; do echo $l $(readlink $l); done; \
                  stat -c '%n %a' . pts shm mqueue; \
                  find / -xdev -type b; find /dev -xdev -type b; mknod /x c 1 3 && cat /x; true";
    let seen = prints(&sandbox, &[], script);
    let expected = "null 1:3\nzero 1:5\nfull 1:7\nrandom 1:8\nurandom 1:9\ntty 5:0\n\
                    fd /proc/self/fd\nstdin /proc/self/fd/0\nstdout /proc/self/fd/1\n\
                    stderr /proc/self/fd/2\nptmx pts/ptmx\ncore /proc/kcore\n\
                    . 755\npts 755\nshm 1777\nmqueue 1777";
    assert_eq!(seen, expected);
    let mut terminal = vec!["run", "--rm", "-t", "--network", "none", IMAGE, "sh", "-c"];
    terminal.push(
        "stat -c '%a %t' /dev/pts/0; stat -c %a /dev/pts/ptmx; test -c /dev/console && echo there",
    );
    assert_eq!(
        sandbox.run(terminal).expect(0).stdout,
        "620 88\r\n666\r\nthere\r\n"
    );
    // The queues of the host are the host's: with its IPC namespace, and in no mount of our own.
    let queues = "awk '$5 == \"/dev/mqueue\" { print $6 }' /proc/self/mountinfo";
    let shown = prints(&sandbox, &["--ipc", "host"], queues);
    assert_eq!(shown.is_empty(), !Path::new("/dev/mqueue").is_dir());
    let group = prints(&sandbox, &["-t"], "stat -c %g /dev/pts/0");
    let mapped = host::has(Need::Range);
    assert_eq!(group, if mapped { "5" } else { "0" });
}

#[test]
fn sysctls_of_the_host_are_refused() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let cases: [&[&str]; 6] = [
        &["--sysctl", "kernel.core_pattern=core"],
        &["--sysctl", "vm.swappiness=60"],
        &[
            "--sysctl",
            "net.ipv4.ip_local_reserved_ports=",
            "--network",
            "host",
        ],
        &[
            "--sysctl",
            "kernel.shmmax=18446744073692774399",
            "--ipc",
            "host",
        ],
        &["--sysctl", "net.ipv4/../../kernel/core_pattern=x"],
        &["--sysctl", "kernel.domainname=(none)", "--uts", "host"],
    ];
    // Values that change nothing on a host where one slips through.
    for flags in cases {
        let words = [&["run", "--rm"], flags, &[IMAGE, "true"]].concat();
        sandbox.run(words).expect(125).says("sysctl");
    }
}

#[test]
fn users_of_exec_are_read_strictly_cve_2026_30892() {
    requires!("userns,range");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let script = "echo $(id -u):$(id -g)";
    for (user, expected) in [("1000:", "1000:1000"), (":5", "0:5"), ("007", "7:0")] {
        let seen = sandbox.ok(["exec", "-u", user, "web", "sh", "-c", script]);
        assert_eq!(seen, expected, "{user}");
    }
    for user in [
        "-1",
        "4294967295",
        "4294967296",
        "0x0",
        "1000:-1",
        "guest:4294967295",
        " 0",
        "+0",
    ] {
        let words = ["exec", &format!("--user={user}"), "web", "id", "-u"];
        let outcome = sandbox.run(words);
        assert!((125..=126).contains(&outcome.code), "{user:?}: {outcome:?}");
        let flag = format!("--user={user}");
        let outcome = run(&sandbox, &[&flag], &["id", "-u"]).run();
        assert!((125..=126).contains(&outcome.code), "{user:?}: {outcome:?}");
    }
}

#[test]
fn one_container_has_no_rights_over_another() {
    requires!("userns,unprivileged");
    let sandbox = Sandbox::with_image();
    sandbox.background("victim", &["sleep", "1000"]);
    let pid = sandbox.field("victim", ".State.Pid");
    let monitor = sandbox.field("victim", ".State.ConmonPid");
    let script = format!(
        "for p in {pid} {monitor}; do test -d /proc/$p || echo no process; ls /proc/$p/root/; \
         readlink /proc/$p/exe /proc/$p/fd/1; cat /proc/$p/environ; nsenter -t $p -m true && echo entered; \
         echo > /proc/$p/mem && echo written; done 2>/dev/null; true"
    );
    let flags = [
        "--pid",
        "host",
        "--cap-add",
        "all",
        "--security-opt",
        "seccomp=unconfined",
    ];
    assert_eq!(prints(&sandbox, &flags, &script), "");
    let own = ["--cap-add", "all", "--security-opt", "seccomp=unconfined"];
    let control = "ls -d /proc/1/root/bin; nsenter -t 1 -m true && echo entered";
    assert_eq!(prints(&sandbox, &own, control), "/proc/1/root/bin\nentered");
}

#[test]
fn exec_believes_nothing_that_a_container_shows() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    // All that a container with every right can put in the way of one who enters it.
    let script = "mkdir -p /f/self/attr /f/sys /f/1; mkfifo /f/self/uid_map /f/self/gid_map \
                  /f/self/status /f/self/stat; mount --bind /f /proc; \
                  umount /dev/pts; mkfifo /dev/pts/ptmx; rm -f /etc/passwd; mkfifo /etc/passwd; \
                  echo ready > /ready; echo ready; exec sleep 1000";
    let mut words = vec![
        "run",
        "-d",
        "--privileged",
        "--network",
        "none",
        "--name",
        "web",
    ];
    words.extend([IMAGE, "sh", "-c", script]);
    sandbox.ok(words);
    sandbox.wait_log("web", "ready");
    assert_eq!(sandbox.ok(["exec", "web", "cat", "/ready"]), "ready");
    let outcome = sandbox.run(["exec", "-u", "guest", "web", "true"]);
    assert!((125..=126).contains(&outcome.code), "{outcome:?}");
    let outcome = sandbox.run(["exec", "-t", "web", "true"]);
    assert_eq!(outcome.code, 125, "{outcome:?}");
    sandbox.ok(["top", "web"]);
}

#[test]
fn a_shared_shm_is_that_of_the_other_container_cve_2024_3056() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.path("private")).unwrap();
    sandbox.file("private/secret", "secret");
    let script = format!(
        "umount /dev/shm && rmdir /dev/shm && ln -s {} /dev/shm; echo ready; exec sleep 1000",
        sandbox.shown("private")
    );
    let mut words = vec![
        "run",
        "-d",
        "--privileged",
        "--network",
        "none",
        "--name",
        "web",
    ];
    words.extend([IMAGE, "sh", "-c", &script]);
    sandbox.ok(words);
    sandbox.wait_log("web", "ready");
    let outcome = run(&sandbox, &["--ipc", "container:web"], &["ls", "/dev/shm/"]).run();
    assert!(!outcome.stdout.contains("secret"), "{outcome:?}");
}

#[test]
fn the_first_process_reaps_and_passes_signals_on() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let script = "trap 'exit 9' USR1; for i in 1 2 3 4 5; do (sleep 0 & ) & done; \
                  echo ready; while :; do sleep 0.05; done";
    let mut words = vec!["run", "-d", "--init", "--network", "none", "--name", "web"];
    words.extend([IMAGE, "sh", "-c", script]);
    sandbox.ok(words);
    sandbox.wait_log("web", "ready");
    sandbox.ok(["exec", "web", "sh", "-c", "(sleep 0.01 & ) &"]);
    let zombies = "for i in $(seq 100); do grep -l '^State:.Z' /proc/[0-9]*/status >/tmp/z 2>/dev/null \
                   || exit 0; sleep 0.02; done; cat /tmp/z; exit 1";
    sandbox.ok(["exec", "web", "sh", "-c", zombies]);
    sandbox.ok(["kill", "-s", "USR1", "web"]);
    assert_eq!(sandbox.ok(["wait", "web"]), "9");
}

#[test]
fn signals_of_a_container_end_nothing_outside() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("other", &["sleep", "1000"]);
    let script = "sleep 1000 & kill -9 -1; wait $!; [ $? = 137 ] && exit 5";
    sandbox.background("web", &["sh", "-c", script]);
    // Its monitor is there to say so.
    assert_eq!(sandbox.ok(["wait", "web"]), "5");
    assert_eq!(sandbox.field("other", ".State.Status"), "running");
}

#[test]
fn what_belongs_to_a_container_is_the_callers_alone_cve_2020_15257() {
    requires!("userns");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let mut sockets = 0;
    let mut pending = vec![sandbox.path("s"), sandbox.path("r")];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let metadata = entry.metadata().unwrap();
            let path = entry.path();
            let name = path.display().to_string();
            sockets += i32::from(metadata.file_type().is_socket());
            let private = ["json", "log", "sock"]
                .iter()
                .any(|kind| name.ends_with(kind));
            if private || metadata.file_type().is_socket() {
                let mode = metadata.permissions().mode() & 0o077;
                assert_eq!(mode, 0, "{name} is open to others");
            }
            if metadata.is_dir() && !name.contains("/layers") && !name.ends_with("/upper") {
                pending.push(path);
            }
        }
    }
    assert!(sockets > 0, "the monitor listens");
    for directory in ["s", "r"] {
        let mode = fs::metadata(sandbox.path(directory))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{directory}");
    }
    let pid = sandbox.field("web", ".State.ConmonPid");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core"))
        .unwrap();
    assert_eq!(
        core.split_whitespace().nth(4),
        Some("0"),
        "a monitor dumps no core"
    );
    // Abstract sockets would be shared with every container on the host's network.
    let net = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    assert!(!net.contains("@coracle") && !net.contains(&format!("@{}", sandbox.shown("r"))));
}
