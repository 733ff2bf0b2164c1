// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A whole Debian through its life: import, run, cp, diff, commit, push, rmi, pull again, run.

use std::fs;

use crate::support::registry::Registry;
use crate::support::{Sandbox, host, requires};

const DEBIAN: &str = "localhost/debian:12";

/// One line for everything in the root file system that comes from the image: its kind, mode,
/// owner, size or target, time, and for files their digest. What each container gets of its own
/// is left out.
const LISTING: &str = r#"
own() { find / -xdev -regex '/\(proc\|sys\|dev\|run\|tmp\|etc/\(hosts\|hostname\|resolv.conf\|mtab\|apt/apt.conf.d/zz-one-user\)\)' -prune -o "$@"; }
own -type d -printf '%p\td\t%m\t%U:%G\n' -o -type l -printf '%p\tl\t%U:%G\t%l\n' \
    -o -printf '%p\t%y\t%m\t%U:%G\t%s\t%n\t%T@\n' | sort
own -type f -print0 | sort -z | xargs -0 sha256sum"#;

fn inside(sandbox: &Sandbox, image: &str, script: &str) -> String {
    let run = [
        "run",
        "--rm",
        "--network",
        "none",
        image,
        "sh",
        "-ec",
        script,
    ];
    sandbox.ok(run)
}

/// A container `life` in which a person works: a package goes, a user comes, files come and go.
fn work_in_it(sandbox: &Sandbox) {
    // Where one id is all there is, nobody else can own a file.
    let script = "dpkg --purge --force-all tzdata >/dev/null 2>&1
        useradd -m -u 1000 ana || { echo ana:x:1000:1000::/:/bin/sh >>/etc/passwd; mkdir /home/ana; }
        echo mine >/home/ana/file; chown ana /home/ana/file || test $(wc -l </proc/self/uid_map) = 1
        rm -r /usr/share/doc; mkdir /usr/share/doc; ln /etc/debian_version /root/twin
        chmod 4755 /usr/bin/id; echo ready; sleep 1000";
    let run = [
        "run",
        "-d",
        "--name",
        "life",
        "--network",
        "none",
        DEBIAN,
        "sh",
        "-ec",
        script,
    ];
    sandbox.ok(run);
    sandbox.wait_log("life", "ready");
    let source = sandbox.path("project");
    fs::create_dir_all(source.join("deep/er")).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(source.join("deep/er/large"), &large).unwrap();
    fs::write(source.join("hello.pl"), "print \"hello from perl\\n\";\n").unwrap();
    sandbox.ok(["cp", &source.to_string_lossy(), "life:/opt/"]);
    let back = sandbox.path("back");
    sandbox.ok(["cp", "life:/opt/project", &back.to_string_lossy()]);
    assert!(fs::read(back.join("deep/er/large")).unwrap() == large);
    assert_eq!(
        sandbox.ok(["exec", "life", "perl", "/opt/project/hello.pl"]),
        "hello from perl"
    );
    sandbox.ok(["cp", "life:/etc/passwd", &sandbox.shown("passwd")]);
    let passwd = fs::read_to_string(sandbox.path("passwd")).unwrap();
    assert!(passwd.contains("\nana:x:1000:"), "{passwd}");
    let changes = sandbox.ok(["diff", "life"]);
    for line in [
        "A /home/ana/file",
        "A /opt/project/deep/er/large",
        "C /etc/passwd",
        "D /usr/share/doc/bash",
        "A /root/twin",
        "C /usr/bin/id",
    ] {
        assert!(
            changes.lines().any(|found| found == line),
            "{line}: {changes}"
        );
    }
}

#[test]
fn a_debian_lives_from_import_to_pull() {
    requires!("userns,registry,debian");
    let sandbox = Sandbox::new();
    let archive = host::debian().expect("it is required");
    sandbox.ok(["import", "-q", "-c", "CMD [\"bash\"]", &archive, DEBIAN]);
    let shown = inside(&sandbox, DEBIAN, "cat /etc/debian_version; dpkg -s bash");
    assert!(shown.starts_with("12."), "{shown}");
    assert!(shown.contains("Status: install ok installed"), "{shown}");

    work_in_it(&sandbox);
    let change = ["-c", "CMD [\"perl\", \"/opt/project/hello.pl\"]"];
    let commit = ["commit", "-q"].into_iter().chain(change);
    let id = sandbox.ok(commit.chain(["life", "localhost/life:1"]));
    let before = inside(&sandbox, "localhost/life:1", LISTING);
    sandbox.ok(["rm", "-f", "-t", "0", "life"]);

    let registry = Registry::open();
    let name = registry.name("team/life:1");
    sandbox.ok([
        "push",
        "-q",
        "--tls-verify=false",
        "localhost/life:1",
        &name,
    ]);
    sandbox.ok(["rmi", "-a"]);
    for room in ["layers", "images", "blobs/sha256", "names/images", "tmp"] {
        let left = fs::read_dir(sandbox.path("s").join(room)).unwrap().count();
        assert_eq!(left, 0, "{room}");
    }
    let pulled = sandbox.ok(["pull", "-q", "--tls-verify=false", &name]);
    assert_eq!(pulled, id);
    let after = inside(&sandbox, &name, LISTING);
    let differing = before
        .lines()
        .zip(after.lines())
        .filter(|(was, is)| was != is);
    let differing: Vec<_> = differing.take(10).collect();
    assert!(before == after, "{differing:#?}");
    assert!(before.lines().count() > 5000, "{before}");
    let said = sandbox.ok(["run", "--rm", "--network", "none", &name]);
    assert_eq!(said, "hello from perl");
}

/// Also where one id is all there is: apt changes to no user of its own then.
#[test]
fn apt_installs_a_package() {
    requires!("userns,debian");
    let sandbox = Sandbox::new();
    let archive = host::debian().expect("it is required");
    sandbox.ok(["import", "-q", &archive, DEBIAN]);
    let script = "mkdir -p /p/DEBIAN /p/usr/bin && cd /p && printf '%s\\n' 'Package: tiny' \
        'Version: 1' 'Architecture: all' 'Maintainer: A <a@example.com>' 'Description: a' \
        >DEBIAN/control && printf '#!/bin/sh\\necho it works\\n' >usr/bin/tiny && \
        chmod 755 usr/bin/tiny && dpkg-deb -b . /tiny.deb >/dev/null && \
        apt-get install -y /tiny.deb >/log 2>&1 || cat /log; grep ^E: /log || tiny";
    assert_eq!(inside(&sandbox, DEBIAN, script), "it works");
}
