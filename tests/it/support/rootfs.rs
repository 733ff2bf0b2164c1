// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A small root file system of Debian's busybox-static, as a tar and as a directory.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const DIRECTORIES: [(&str, u32); 11] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("home/guest", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
];

const FILES: [(&str, &str); 4] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home/guest:/bin/sh\n\
         nobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    (
        "etc/group",
        "root:x:0:\nguest:x:1000:\ndesk:x:1001:guest\nnogroup:x:65534:\n",
    ),
    ("etc/issue", "a small root file system\n"),
    ("etc/os-release", "NAME=small\nID=small\n"),
];

/// The root file system as a tar; made once.
pub(crate) fn tar() -> &'static [u8] {
    static TAR: OnceLock<Vec<u8>> = OnceLock::new();
    TAR.get_or_init(|| {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, mode) in DIRECTORIES {
            append(&mut archive, tar::EntryType::Directory, path, mode, b"");
        }
        for (path, text) in FILES {
            let kind = tar::EntryType::Regular;
            append(&mut archive, kind, path, 0o644, text.as_bytes());
        }
        let program = fs::read(busybox()).expect("busybox can be read");
        let kind = tar::EntryType::Regular;
        append(&mut archive, kind, "bin/busybox", 0o755, &program);
        for applet in applets() {
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            let path = format!("bin/{applet}");
            archive
                .append_link(&mut header, path, "busybox")
                .expect("a link fits into a tar");
        }
        archive.into_inner().expect("memory does not refuse bytes")
    })
}

/// Unpacks the root file system into `host_path`.
pub(crate) fn unpack(host_path: &Path) {
    for (path, mode) in DIRECTORIES {
        let directory = host_path.join(path);
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
    }
    for (path, text) in FILES {
        fs::write(host_path.join(path), text).unwrap();
    }
    fs::copy(busybox(), host_path.join("bin/busybox")).unwrap();
    for applet in applets() {
        symlink("busybox", host_path.join("bin").join(applet)).unwrap();
    }
}

fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    path: &str,
    mode: u32,
    content: &[u8],
) {
    let mut header = header(kind, mode, content.len() as u64);
    archive
        .append_data(&mut header, path, content)
        .expect("an entry fits into a tar");
}

fn header(kind: tar::EntryType, mode: u32, size_bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_600_000_000);
    header.set_size(size_bytes);
    header
}

/// Debian's static busybox: a dynamic one would need libraries that the root lacks.
pub(crate) fn busybox() -> PathBuf {
    let places = ["/bin/busybox", "/usr/bin/busybox"];
    let found = places.into_iter().map(PathBuf::from).find(|p| p.exists());
    found.expect("busybox is missing: install the package busybox-static")
}

fn applets() -> &'static [String] {
    static APPLETS: OnceLock<Vec<String>> = OnceLock::new();
    APPLETS.get_or_init(|| {
        let listed = Command::new(busybox())
            .arg("--list")
            .output()
            .expect("busybox runs");
        let listed = String::from_utf8(listed.stdout).expect("applet names are ASCII");
        listed
            .lines()
            .filter(|applet| *applet != "busybox")
            .map(str::to_owned)
            .collect()
    })
}
