// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Debian packages, installed, used, upgraded and purged in a container of Debian.

use crate::support::{Sandbox, host, requires};

const DEBIAN: &str = "localhost/debian:12";

/// Each line of what it prints is one of `told` below.
const LIFE: &str = r#"
quietly() { "$@" >/log 2>&1 || { echo "$*: $?"; cat /log; exit 1; }; }
who() { for name in docker podman; do echo "$name: $($name --version 2>&1)"; done; }
# The real ones, as other packages bring them: PACKAGE FILE.
made() {
    mkdir -p /p/DEBIAN "/p/${2%/*}" && printf '#!/bin/sh\necho the real one\n' >"/p/$2" && chmod 755 "/p/$2"
    printf '%s\n' "Package: $1" 'Version: 1' 'Architecture: all' 'Maintainer: A <a@example.com>' \
        'Description: a' >/p/DEBIAN/control
    quietly dpkg-deb -b /p "/$1.deb" && rm -r /p
}
links() { for link in /usr/lib/systemd/*-generators/coracle-*; do echo "${link##*/} $(readlink "$link")"; done; }

quietly dpkg -i /packages/coracle_*.deb /packages/coracle-aliases_*.deb
who; links
zcat /usr/share/man/man1/coracle-run.1.gz | grep -c '^.TH '
made docker.io usr/bin/docker; made podman usr/lib/systemd/user-generators/podman-user-generator
quietly dpkg -i /docker.io.deb /podman.deb
who; links
quietly dpkg -r docker.io podman
quietly dpkg -i /packages/coracle_*.deb
who; links
quietly dpkg --purge coracle coracle-aliases
find / -xdev \( -path /proc -o -path /packages \) -prune -o -name '*coracle*' -print
ls /usr/bin/docker /usr/bin/podman 2>/dev/null
echo nothing left
"#;

#[test]
fn packages_are_installed_step_back_return_and_leave_nothing() {
    requires!("userns,range,debian,packages");
    let sandbox = Sandbox::new();
    let archive = host::debian().expect("it is required");
    sandbox.ok(["import", "-q", &archive, DEBIAN]);
    let packages = format!("{}:/packages:ro", host::packages().expect("it is required"));
    let life = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        &packages,
        DEBIAN,
        "sh",
        "-c",
        LIFE,
    ];
    let version = env!("CARGO_PKG_VERSION");
    let ours = [
        format!("docker: Docker version {version}, build coracle"),
        format!("podman: podman version {version}"),
    ];
    let generators = |kinds: &[&str]| -> Vec<String> {
        let link = |kind| format!("coracle-{kind}-generator ../../../bin/coracle");
        kinds.iter().map(link).collect()
    };
    let told = [
        &ours[..],
        &generators(&["system", "user"]),
        &["1".to_owned()],
        &["docker: the real one".to_owned(), ours[1].clone()],
        &generators(&["system"]),
        &ours,
        &generators(&["system", "user"]),
        &["nothing left".to_owned()],
    ];
    assert_eq!(sandbox.ok(life), told.concat().join("\n"));
}
