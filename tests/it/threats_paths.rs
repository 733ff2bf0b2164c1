// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Hostile images and volumes: paths that lead out, or would, while a container is set up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::support::process::{Call, Outcome};
use crate::support::sandbox::IMAGE;
use crate::support::{Sandbox, requires};

/// A directory of the host that nothing may change.
struct Canary {
    directory: PathBuf,
    before: BTreeMap<PathBuf, (u32, Vec<u8>)>,
}

impl Canary {
    fn new(sandbox: &Sandbox) -> Self {
        let directory = sandbox.path("canary");
        fs::create_dir(&directory).unwrap();
        for name in ["passwd", "group", "hosts", "hostname", "resolv.conf"] {
            fs::write(directory.join(name), "untouched\n").unwrap();
        }
        let before = content(&directory);
        Self { directory, before }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    #[track_caller]
    fn assert_untouched(&self, after: &str) {
        assert_eq!(content(&self.directory), self.before, "after {after}");
    }
}

/// Everything below a directory: owner, and bytes of the files.
fn content(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let owner = entry.metadata().unwrap().uid();
            (
                entry.path(),
                (owner, fs::read(entry.path()).unwrap_or_default()),
            )
        })
        .collect()
}

fn run_rootfs(sandbox: &Sandbox, rootfs: &str, flags: &[&str], command: &[&str]) -> Outcome {
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(flags);
    words.extend(["--rootfs", rootfs]);
    words.extend(command);
    sandbox.run(words)
}

fn run(sandbox: &Sandbox, flags: &[&str], command: &[&str]) -> Call {
    let mut words = vec!["run", "--rm", "--network", "none"];
    words.extend(flags);
    words.push(IMAGE);
    words.extend(command);
    sandbox.call(words)
}

/// Puts a link to `target` in the place of whatever stands at `path`.
fn replace_by_link(path: &Path, target: &Path) {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).ok();
    }
    symlink(target, path).unwrap();
}

#[test]
fn dev_proc_and_sys_that_lead_out_of_an_image_lead_nowhere_cve_2026_41579_cve_2026_47766() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let canary = Canary::new(&sandbox);
    let rootfs = sandbox.rootfs("root");
    let up =
        PathBuf::from("../../../../../../../..").join(canary.directory.strip_prefix("/").unwrap());
    for name in ["dev", "proc", "sys"] {
        let place = sandbox.path("root").join(name);
        for target in [&canary.directory, &up] {
            replace_by_link(&place, target);
            for form in [rootfs.clone(), format!("{rootfs}:O")] {
                let outcome = run_rootfs(&sandbox, &form, &["-t"], &["true"]);
                assert!([0, 125].contains(&outcome.code), "{name}: {outcome:?}");
                canary.assert_untouched(&outcome.shown);
            }
        }
        fs::remove_file(&place).unwrap();
        fs::write(&place, "a file").unwrap();
        let outcome = run_rootfs(&sandbox, &rootfs, &[], &["true"]).expect(125);
        assert!(
            outcome.stderr.contains(&format!("/{name}")),
            "{}",
            outcome.stderr
        );
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
    }
}

#[test]
fn files_that_lead_out_of_an_image_lead_nowhere() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let canary = Canary::new(&sandbox);
    let rootfs = sandbox.rootfs("root");
    let inside = |name: &str| sandbox.path("root").join(name);
    for name in ["passwd", "group", "hosts", "hostname", "resolv.conf"] {
        replace_by_link(&inside("etc").join(name), &canary.path(name));
    }
    for name in ["run", "work", "tmp", "mnt"] {
        replace_by_link(&inside(name), &canary.path(name));
    }
    let volume = format!("{}:/mnt/volume", sandbox.shown("root/home"));
    let flags = ["-u", "4321:4321", "-v", &volume, "--tmpfs", "/tmp/scratch"];
    for form in [rootfs.clone(), format!("{rootfs}:O")] {
        let outcome = run_rootfs(&sandbox, &form, &flags, &["true"]);
        canary.assert_untouched(&outcome.shown);
        run_rootfs(&sandbox, &form, &["--workdir", "/work"], &["true"]);
        canary.assert_untouched("a working directory");
    }
    // What is shown below /run, one by one.
    fs::remove_file(inside("run")).unwrap();
    fs::create_dir(inside("run")).unwrap();
    let secret = sandbox.file("word", "word");
    sandbox.ok(["secret", "create", "word", &secret]);
    for name in ["secrets", ".containerenv"] {
        let place = inside("run").join(name);
        for target in [&canary.directory, &canary.path("new")] {
            replace_by_link(&place, target);
            for form in [rootfs.clone(), format!("{rootfs}:O")] {
                let flags = ["--secret", "word", "--hostname", "box"];
                let outcome = run_rootfs(&sandbox, &form, &flags, &["true"]);
                canary.assert_untouched(&outcome.shown);
            }
        }
        fs::remove_file(place).ok();
    }
    // The whole directory, and a way through our own descriptors.
    let own: Vec<PathBuf> = (3..12)
        .map(|fd| format!("/proc/self/fd/{fd}").into())
        .collect();
    let parent = PathBuf::from("/proc/self/root/proc/1/root");
    for target in own.iter().chain([&canary.directory, &parent]) {
        replace_by_link(&inside("etc"), target);
        let outcome = run_rootfs(&sandbox, &format!("{rootfs}:O"), &["-u", "4321"], &["true"]);
        canary.assert_untouched(&outcome.shown);
    }
    assert!(!sandbox.path("passwd").exists() && !sandbox.path("s/passwd").exists());
}

#[test]
fn no_descriptor_of_ours_or_the_callers_is_a_way_out_cve_2024_21626() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    sandbox.background("web", &["sleep", "1000"]);
    let open = (3..=20).fold(String::new(), |open, fd| open + &format!(" {fd}</"));
    let script = format!("exec{open}; exec \"$@\"");
    let by = |arguments: &[&str]| {
        let shell = ["bash", "-c", &script, "sh"];
        sandbox.call_by(&shell, arguments).run()
    };
    let list = ["sh", "-c", "cd /proc/self/fd && echo *"];
    let run = ["run", "--rm", "--network", "none"];
    let listed = by(&[&run[..], &[IMAGE], &list].concat()).expect(0);
    assert_eq!(listed.out(), "0 1 2 3", "the last is the directory itself");
    let listed = by(&[&["exec", "web"][..], &list].concat()).expect(0);
    assert_eq!(listed.out(), "0 1 2 3");
    for fd in [3, 5, 7, 8, 9, 10, 20] {
        let directory = format!("/proc/self/fd/{fd}");
        let place = ["-w", &directory];
        let outcome = by(&[&run[..], &place, &[IMAGE, "pwd"]].concat());
        assert_eq!(outcome.code, 126, "{outcome:?}");
        let outcome = by(&[&["exec"][..], &place, &["web", "pwd"]].concat());
        assert_eq!(outcome.code, 126, "{outcome:?}");
    }
    let image = sandbox.file("small.tar", "");
    fs::write(&image, crate::support::rootfs::tar()).unwrap();
    let change = "WORKDIR /proc/self/fd/7";
    sandbox.ok(["import", "-q", "--change", change, &image, "escape"]);
    let outcome = by(&[&run[..], &["escape", "pwd"]].concat());
    assert_eq!(outcome.code, 126, "{outcome:?}");
}

#[test]
fn nobody_is_given_a_false_proc_cve_2019_16884_cve_2019_19921_cve_2025_52881() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir_all(sandbox.path("false/sys/kernel")).unwrap();
    let host = sandbox.shown("false");
    for place in ["/proc", "/proc/sys", "/proc/self/attr"] {
        let volume = format!("{host}:{place}");
        for flags in [["-v", &volume], ["--tmpfs", place]] {
            let outcome = run(&sandbox, &flags, &["true"]).run().expect(125);
            outcome.says(&format!("{place} cannot be mounted over"));
        }
    }
    // By a link of the image.
    let rootfs = sandbox.rootfs("root");
    for (link, target) in [("a", "/proc"), ("b", "/proc/sys/kernel")] {
        symlink(target, sandbox.path("root").join(link)).unwrap();
        let volume = format!("{host}:/{link}");
        let outcome = run_rootfs(&sandbox, &rootfs, &["-v", &volume], &["true"]);
        outcome.expect(125).says("leads into the container's /proc");
    }
    let file = sandbox.file("cpuinfo", "one processor\n");
    let volume = format!("{file}:/proc/cpuinfo:ro");
    let shown = run(&sandbox, &["-v", &volume], &["cat", "/proc/cpuinfo"]).run();
    assert_eq!(shown.expect(0).out(), "one processor");
}

/// Exchanges two names as fast as it can until it is dropped.
struct Swapper {
    stop: std::sync::Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapper {
    fn start(pairs: Vec<(PathBuf, PathBuf)>) -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (one, other) in &pairs {
                    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).ok();
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

#[test]
fn mounts_in_a_volume_whose_names_are_exchanged_stay_inside_cve_2021_30465_cve_2024_45310() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let canary = Canary::new(&sandbox);
    fs::create_dir_all(sandbox.path("shared/dir")).unwrap();
    symlink(&canary.directory, sandbox.path("shared/link")).unwrap();
    let swapper = Swapper::start(vec![(
        sandbox.path("shared/dir"),
        sandbox.path("shared/link"),
    )]);
    let shared = format!("{}:/v", sandbox.shown("shared"));
    for round in 0..15 {
        let file = format!("{}:/v/dir/file{round}", sandbox.file("source", "source"));
        let scratch = format!("/v/dir/a{round}/b");
        let work = format!("/v/dir/w{round}");
        let mut flags = vec!["-v", &shared, "-v", &file, "--tmpfs", &scratch, "-w", &work];
        flags.extend(["--security-opt", "mask=/v/dir/file0"]);
        let outcome = run(&sandbox, &flags, &["true"]).run();
        assert!([0, 125, 126].contains(&outcome.code), "{outcome:?}");
    }
    drop(swapper);
    canary.assert_untouched("races");
}

#[test]
fn a_file_that_becomes_a_link_while_a_tmpfs_is_filled_is_not_followed() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let secret = sandbox.file("secret", "the caller's own");
    let directory = sandbox.path("shared/dir");
    let links = sandbox.path("shared/links");
    fs::create_dir_all(&directory).unwrap();
    fs::create_dir_all(&links).unwrap();
    let pairs: Vec<_> = (0..40)
        .map(|number| {
            let (file, link) = (
                directory.join(number.to_string()),
                links.join(number.to_string()),
            );
            fs::write(&file, "public").unwrap();
            symlink(&secret, &link).unwrap();
            (file, link)
        })
        .collect();
    let swapper = Swapper::start(pairs);
    let shared = format!("{}:/v", sandbox.shown("shared"));
    for _ in 0..12 {
        let script = "find /v/dir -type f | xargs cat";
        let flags = ["-v", &shared, "--tmpfs", "/v/dir"];
        let outcome = run(&sandbox, &flags, &["sh", "-c", script]).run();
        assert!(!outcome.stdout.contains("the caller's own"), "{outcome:?}");
        assert!([0, 123, 125].contains(&outcome.code), "{outcome:?}");
    }
    drop(swapper);
}

#[test]
fn an_exported_volume_holds_nothing_from_outside_cve_2023_0778() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let secret = sandbox.file("secret", "the caller's own");
    let script = "for n in 1 2 3 4 5 6 7 8; do echo public > /v/$n; chmod 666 /v/$n; done; \
                  chmod 777 /v";
    run(&sandbox, &["-v", "data:/v"], &["sh", "-c", script])
        .run()
        .expect(0);
    let place = sandbox.ok(["volume", "inspect", "--format", "{{.Mountpoint}}", "data"]);
    let content = PathBuf::from(place);
    let links = content.join("links");
    fs::create_dir(&links).unwrap();
    let pairs = (1..=8).map(|number| {
        let link = links.join(number.to_string());
        symlink(&secret, &link).unwrap();
        (content.join(number.to_string()), link)
    });
    let swapper = Swapper::start(pairs.collect());
    for _ in 0..20 {
        let exported = sandbox.run(["volume", "export", "data"]);
        assert!([0, 125].contains(&exported.code), "{}", exported.stderr);
        assert!(!exported.stdout.contains("the caller's own"));
    }
    drop(swapper);
}

#[test]
fn an_imported_volume_is_not_written_through_a_link() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    let canary = Canary::new(&sandbox);
    let script = "mkdir /v/dir && echo public >/v/dir/passwd && chmod 777 /v";
    let filled = run(&sandbox, &["-v", "data:/v"], &["sh", "-c", script]);
    filled.run().expect(0);
    let archive = sandbox.shown("content.tar");
    sandbox.ok(["volume", "export", "data", "-o", &archive]);
    let place = sandbox.ok(["volume", "inspect", "--format", "{{.Mountpoint}}", "data"]);
    let content = PathBuf::from(place);
    symlink(&canary.directory, content.join("link")).unwrap();
    let swapper = Swapper::start(vec![(content.join("dir"), content.join("link"))]);
    for _ in 0..20 {
        let imported = sandbox.run(["volume", "import", "data", &archive]);
        assert!([0, 125].contains(&imported.code), "{imported:?}");
        canary.assert_untouched("an import");
    }
    drop(swapper);
}

#[test]
fn the_host_is_neither_seen_nor_mounted_on() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    fs::create_dir(sandbox.path("shared")).unwrap();
    let shared = format!("{}:/v", sandbox.shown("shared"));
    let script = "mount -t tmpfs inside /v && touch /v/hidden; mount -t tmpfs more /mnt; \
                  awk '$5 == \"/\"' /proc/self/mountinfo | wc -l; ls -di / /.. /../../.. | uniq | wc -l; \
                  grep -c /var/tmp/ /proc/self/mountinfo";
    let flags = ["--cap-add", "sys_admin", "-v", &shared];
    let seen = run(&sandbox, &flags, &["sh", "-c", script]).run();
    let lines: Vec<&str> = seen.stdout.lines().collect();
    assert_eq!(lines[0], "1", "one root: {seen:?}");
    assert!(!sandbox.path("shared/hidden").exists());
    let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!host.contains(&sandbox.shown("shared")), "{host}");
    let same = run(
        &sandbox,
        &[],
        &[
            "sh",
            "-c",
            "stat -c %d:%i / /.. /../../.. | sort -u | wc -l",
        ],
    );
    assert_eq!(same.run().expect(0).out(), "1");
}

#[test]
fn user_databases_of_every_shape_end_in_an_answer_cve_2024_9676() {
    requires!("userns");
    let sandbox = Sandbox::new();
    let rootfs = sandbox.rootfs("root");
    let passwd = sandbox.path("root/etc/passwd");
    let overlay = format!("{rootfs}:O");
    let outcome = |name: &str| {
        let outcome = run_rootfs(&sandbox, &overlay, &["-u", "guest"], &["id", "-u"]);
        assert!([0, 125, 126].contains(&outcome.code), "{name}: {outcome:?}");
        outcome
    };
    fs::remove_file(&passwd).unwrap();
    nix::unistd::mkfifo(&passwd, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    assert_ne!(outcome("a pipe").code, 0);
    fs::remove_file(&passwd).unwrap();
    fs::create_dir(&passwd).unwrap();
    assert_ne!(outcome("a directory").code, 0);
    fs::remove_dir(&passwd).unwrap();
    fs::File::create(&passwd).unwrap().set_len(1 << 40).unwrap();
    assert_ne!(outcome("a terabyte of nothing").code, 0);
    let cases = [
        "guest:x:-1:-1::/:/bin/sh\n",
        "guest:x:4294967295:4294967295::/:/bin/sh\n",
        "guest:x:99999999999999999999:0::/:/bin/sh\n",
        "guest:x:0x0:0::/:/bin/sh\n",
        "guest\nguest:\nguest::::::\n:::::::::\n",
    ];
    for text in cases {
        fs::write(&passwd, text).unwrap();
        assert_ne!(outcome(text).code, 0, "{text:?}");
    }
    fs::write(&passwd, b"\xff\xfe\0\0:x:0\nguest:x:0:0::/:/bin/sh").unwrap();
    assert_eq!(outcome("no text").out(), "0");
}
