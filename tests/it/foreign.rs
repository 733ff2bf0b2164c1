// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Images for other machines: they run where binfmt_misc has an emulator, and say what is missing
//! where not. A user namespace may have a binfmt_misc of its own (Linux 6.7), so that any user
//! can try both here, whatever the machine has.

use crate::support::rootfs::busybox;
use crate::support::{Outcome, Sandbox, host, requires};

/// Mounts an empty binfmt_misc.
const MOUNT: &str = "b=/proc/sys/fs/binfmt_misc; \
                     if ! mount -t binfmt_misc none $b; then echo none; exit; fi";

/// The start of a program for riscv64; the kernel looks no further.
fn foreign_program() -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(64, 0);
    for (place, byte) in [(16, 2), (18, 243), (20, 1), (52, 64)] {
        program[place] = byte;
    }
    program
}

/// Runs, in an image for riscv64, a program for that, a script that has it as its interpreter, and
/// a script without one; `emulator` has the flags of the one that binfmt_misc knows, if any.
fn run_programs(emulator: Option<&str>) -> Option<Outcome> {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.path("elf"), foreign_program()).unwrap();
    sandbox.file("with", "#!/elf with\n");
    sandbox.file("without", "echo plain\n");
    // An emulator that says what it was to run.
    std::fs::copy(busybox(), sandbox.path("echo")).unwrap();
    let register = emulator.map_or_else(String::new, |flags| {
        format!(r#" && printf %s ":it:M:18:\\xf3\\x00::$PWD/echo:{flags}" > $b/register"#)
    });
    let mounts = format!("chmod 755 elf with without; {MOUNT}{register}");
    let script = "\"$@\" import -q --arch riscv64 small.tar image >/dev/null || exit
                  for p in elf with without; do
                    \"$@\" run --rm --network none -v $PWD/elf:/elf -v $PWD/$p:/x image /x word
                    echo $?
                  done";
    let outcome = sandbox.nested_in("-Urm", &mounts, script);
    if outcome.stdout == "none\n" {
        host::lacks("binfmt", "a user namespace has its own from Linux 6.7 on");
        return None;
    }
    Some(outcome.expect(0))
}

#[test]
fn without_an_emulator_the_message_says_what_to_install() {
    requires!("userns");
    let Some(outcome) = run_programs(None) else {
        return;
    };
    assert_eq!(outcome.stdout, "126\n126\n126\n", "{}", outcome.stderr);
    let of = |words: &str| outcome.stderr.matches(words).count();
    assert_eq!(of("image platform (linux/riscv64) does not match"), 3);
    assert_eq!(of("exec format error"), 3, "{}", outcome.stderr);
    for words in [
        "it was built for riscv64, this machine is ",
        "apt install qemu-user-static",
    ] {
        assert_eq!(of(words), 2, "{}", outcome.stderr);
    }
}

#[test]
fn with_an_emulator_images_for_other_machines_run() {
    requires!("userns");
    let Some(outcome) = run_programs(Some("PF")) else {
        return;
    };
    // Before the program's own words stands where the emulator finds it.
    let words = |line: &str| {
        line.split_once(' ')
            .map_or(line, |(_, words)| words)
            .to_owned()
    };
    let said: Vec<String> = outcome.stdout.lines().map(words).collect();
    let expected = ["/x word", "0", "/elf with /x word", "0", "126"];
    assert_eq!(said, expected, "{}", outcome.stderr);
    // Only the host has it: the container cannot open it.
    let Some(outcome) = run_programs(Some("")) else {
        return;
    };
    assert_eq!(outcome.stdout, "127\n127\n126\n", "{}", outcome.stderr);
    let told = outcome.stderr.matches("register it with the flag F");
    assert_eq!(told.count(), 2, "{}", outcome.stderr);
}

#[test]
fn an_image_is_told_of_unless_its_platform_was_asked_for() {
    requires!("userns");
    let sandbox = Sandbox::with_image();
    std::fs::write(sandbox.path("small.tar"), crate::support::rootfs::tar()).unwrap();
    let tar = sandbox.shown("small.tar");
    sandbox.ok(["import", "-q", "--arch=riscv64", &tar, "other"]);
    let words = "WARNING: image platform (linux/riscv64) does not match the expected platform";
    for (flags, told) in [
        (&[][..], true),
        (&["--pull=never"], true),
        (&["--platform=linux/riscv64"], false),
        (&["--arch=riscv64"], false),
    ] {
        let call = [
            &["run", "--rm", "--network=none"],
            flags,
            &["other", "true"],
        ]
        .concat();
        let outcome = sandbox.run(call).expect(0);
        assert_eq!(outcome.stderr.contains(words), told, "{flags:?}");
    }
    // Of a name, the image for another platform is another image.
    let asked = ["create", "--platform=linux/riscv64", "--retry=0"];
    sandbox.ok(["tag", crate::support::sandbox::IMAGE, "127.0.0.1:1/own"]);
    let outcome = sandbox.run([&asked[..], &["127.0.0.1:1/own", "true"]].concat());
    outcome.expect(125).says("connection refused");
}
