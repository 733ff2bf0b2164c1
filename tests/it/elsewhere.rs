// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Places that are not a user's login on a plain machine: inside of other containers, sessions
//! without a run directory. coracle works there, or names what is missing.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::process::Call;
use crate::support::sandbox::{IMAGE, Tool, program, tool};
use crate::support::{Outcome, Sandbox, requires};

/// Imports the small image and runs a container with it, below the current directory.
const INNER: &str = "export HOME=$PWD; unset XDG_RUNTIME_DIR; \
                     $c import -q small.tar small >/dev/null; \
                     $c run --rm --network none $more small sh -c 'id -u; exit 3'; echo $?";

/// Runs the inner script in a container with `flags`.
fn inside(flags: &[&str], more: &str) -> Outcome {
    let sandbox = Sandbox::with_image();
    std::fs::create_dir(sandbox.path("shared")).unwrap();
    let small = sandbox.path("shared/small.tar");
    std::fs::write(small, crate::support::rootfs::tar()).unwrap();
    let shared = format!("{}:/shared", sandbox.shown("shared"));
    let own = format!("{}:/coracle:ro", program());
    let mut words = vec![
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        &shared,
        "-v",
        &own,
    ];
    words.extend(flags);
    let script = format!("cd /shared; c=/coracle; more='{more}'; {INNER}");
    words.extend([crate::support::sandbox::IMAGE, "sh", "-c", &script]);
    sandbox.run(words)
}

#[test]
fn coracle_runs_inside_of_coracle() {
    requires!("userns,range");
    if tool() != Tool::Coracle {
        return;
    }
    let outcome = inside(&["--privileged"], "");
    assert_eq!(outcome.expect(0).stdout, "0\n3\n");
    // With the default filter and rights, and no /dev/fuse: what is missing is named.
    let outcome = inside(&[], "").expect(0);
    assert_eq!(outcome.stdout, "125\n", "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--uts host"), "{}", outcome.stderr);
    let outcome = inside(&[], "--uts host").expect(0);
    assert_eq!(outcome.stdout, "0\n3\n", "{}", outcome.stderr);
}

/// As in most images of continuous integration: the store on the overlay of the outer container,
/// no /dev/fuse.
#[test]
fn a_store_on_an_overlay_without_fuse_is_named_with_its_cure() {
    requires!("userns,range,overlay");
    if tool() != Tool::Coracle || !kernel_engine() {
        return;
    }
    let sandbox = Sandbox::with_image();
    let small = sandbox.path("small.tar");
    std::fs::write(&small, crate::support::rootfs::tar()).unwrap();
    let archive = format!("{}:/small.tar:ro", small.display());
    let own = format!("{}:/coracle:ro", program());
    let script = "export HOME=/root; /coracle import -q /small.tar small >/dev/null; \
                  /coracle run --rm --uts host --network none small true; echo $?";
    let words = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        &archive,
        "-v",
        &own,
    ];
    let command = [crate::support::sandbox::IMAGE, "sh", "-c", script];
    let outcome = sandbox.run([&words[..], &command].concat()).expect(0);
    assert_eq!(outcome.stdout, "125\n", "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("--device /dev/fuse"),
        "{}",
        outcome.stderr
    );
}

/// Whether containers of this pass have the kernel's overlay.
fn kernel_engine() -> bool {
    std::env::var("CORACLE_TEST_ENGINE").is_ok_and(|engine| engine == "kernel")
}

#[test]
fn a_session_without_a_run_directory_has_one_of_its_own() {
    requires!("userns");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("small.tar"), crate::support::rootfs::tar()).unwrap();
    let script = format!("cd {}; c={}; more=; {INNER}", sandbox.shown(""), program());
    let outcome = Call::new("sh").args(["-c", &script]).run();
    assert_eq!(outcome.expect(0).stdout, "0\n3\n");
    Call::new("sh")
        .args([
            "-c",
            &format!("HOME={} {} rmi -a -f", sandbox.shown(""), program()),
        ])
        .run();
}

#[test]
fn root_of_a_namespace_with_one_id_has_containers() {
    requires!("userns,unprivileged");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("small.tar"), crate::support::rootfs::tar()).unwrap();
    let script = format!("cd {}; c={}; more=; {INNER}", sandbox.shown(""), program());
    let outcome = Call::new("unshare")
        .args(["-U", "-r", "-m", "sh", "-c", &script])
        .run();
    let outcome = outcome.expect(0);
    assert_eq!(outcome.stdout, "0\n3\n", "{}", outcome.stderr);
}

/// Root of `unshare -Urm` finds the user's run root in the environment; neither has rights over the
/// bridges of the other.
#[test]
fn commands_of_two_user_namespaces_have_networks_side_by_side() {
    requires!("userns,unprivileged");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::with_image();
    sandbox.ok(["run", "-d", "--name", "beside", IMAGE, "sleep", "1000"]);
    std::fs::write(sandbox.path("small.tar"), crate::support::rootfs::tar()).unwrap();
    let script = format!(
        "cd {}; c=\"{} --root $PWD/inner --runroot $PWD/r\"
        $c import -q small.tar small >/dev/null; $c run -d small sleep 1000 >/dev/null
        $c run --rm small sh -c 'exit 3'; echo $?; $c rm -a -f -t 0 >/dev/null",
        sandbox.shown(""),
        program()
    );
    let inner = || {
        let call = Call::new("unshare").args(["-U", "-r", "-m", "sh", "-c", &script]);
        let outcome = call.run().expect(0);
        assert_eq!(outcome.stdout, "3\n", "{}", outcome.stderr);
    };
    let outer = || sandbox.run(["run", "--rm", IMAGE, "sh", "-c", "exit 4"]);
    inner();
    outer().expect(4);
    inner();
    outer().expect(4);
    let enter = format!(
        "cd {}; {} --root $PWD/s --runroot $PWD/r exec beside true",
        sandbox.shown(""),
        program()
    );
    let call = Call::new("unshare").args(["-U", "-r", "-m", "sh", "-c", &enter]);
    let outcome = call.run().expect(125);
    outcome
        .says("Permission denied")
        .says("a container that was started outside cannot be entered");
}

/// Not the device, as where a tool made a file of the name.
#[test]
fn what_is_in_the_place_of_the_fuse_device_is_told_with_its_cure() {
    requires!("userns,unprivileged");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::new();
    let script =
        "\"$@\" doctor | grep -A2 FUSE; mkdir m; \"$1\" overlay-fuse -o lowerdir=/etc m; echo $?
                  \"$@\" import -q small.tar small >/dev/null
                  \"$@\" run --rm --network none --userns keep-id small sh -c 'exit 3'; echo $?";
    let outcome = sandbox.nested(": > f && mount --bind f /dev/fuse", script);
    let outcome = outcome.expect(0);
    let cure = "as root: rm -r /dev/fuse && mknod -m 666 /dev/fuse c 10 229\n";
    let told = format!("/dev/fuse is not the FUSE device; {cure}");
    assert!(outcome.stdout.contains(cure), "{}", outcome.stdout);
    assert!(outcome.stderr.contains(&told), "{}", outcome.stderr);
    assert!(outcome.stdout.ends_with("1\n3\n"), "{outcome:?}");
}

/// A file system without extended attributes, for a user who has one id and so notes owners there.
#[test]
fn a_store_that_cannot_note_owners_is_named_with_its_cure() {
    requires!("userns");
    if tool() != Tool::Coracle {
        return;
    }
    let sandbox = Sandbox::new();
    let script = "for i in 'import -q small.tar small' 'run --rm --rootfs /:O true'; do \
                  \"$@\" $i; echo $?; done
                  \"$1\" --root $PWD/s/new --runroot $PWD/r import -q small.tar small; echo $?";
    let outcome = sandbox.nested("mount -t ramfs none s && chmod 777 s", script);
    let outcome = outcome.expect(0);
    assert_eq!(outcome.stdout, "125\n".repeat(3), "{}", outcome.stderr);
    let count = |words: &str| outcome.stderr.matches(words).count();
    let told = (count("keeps no extended attributes"), count("graphroot"));
    assert_eq!(told, (3, 3), "{}", outcome.stderr);
}

/// As on kernels before Linux 6.18, whose namespaces have no file handles.
#[test]
fn the_users_namespace_is_found_by_those_who_live_in_it() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    if tool() != Tool::Coracle {
        return;
    }
    sandbox.ok(["network", "create", "front"]);
    sandbox.ok([
        "run",
        "-d",
        "--name",
        "first",
        "--network",
        "front",
        IMAGE,
        "sleep",
        "1000",
    ]);
    let monitor = sandbox.ok(["inspect", "--format", "{{.State.ConmonPid}}", "first"]);
    let namespace = |process: &str| {
        let path = format!("/proc/{process}/ns/user");
        fs::metadata(path).expect("a process of this user").ino()
    };
    let holder = namespace(&monitor);
    let run_root = sandbox.path("r");
    let found_by = fs::read_to_string(run_root.join("holder")).unwrap();
    let map = found_by.split_once('\n').unwrap().1;
    sandbox.file("r/holder", &format!("inode:{holder}\n{map}"));
    fs::create_dir_all(run_root.join("holders")).unwrap();
    sandbox.file(&format!("r/holders/{monitor}"), "");
    // Somebody who has ended, and somebody who lives elsewhere.
    let elsewhere = std::process::id().to_string();
    for stranger in ["999999999", &elsewhere] {
        sandbox.file(&format!("r/holders/{stranger}"), "");
    }
    sandbox.ok([
        "run",
        "-d",
        "--name",
        "second",
        "--network",
        "front",
        IMAGE,
        "sleep",
        "1000",
    ]);
    let second = sandbox.ok(["inspect", "--format", "{{.State.ConmonPid}}", "second"]);
    assert_eq!(namespace(&second), holder);
    assert!(run_root.join("holders").join(&second).exists());
    assert!(!run_root.join("holders").join(&elsewhere).exists());
    // Without the first one they are still found.
    sandbox.ok(["rm", "-f", "-t", "0", "first"]);
    let name = ["exec", "second", "hostname"];
    assert_eq!(sandbox.ok(name).len(), 12);
    let asked = [
        "run",
        "--rm",
        "--network",
        "front",
        IMAGE,
        "nslookup",
        "second",
    ];
    sandbox.ok(asked);
}
