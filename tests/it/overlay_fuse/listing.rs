// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Listings on the overlay over FUSE that others change while they are read.

use std::fs;

use super::{REAL, is_ours};
use crate::support::requires;
use crate::support::stage::Stage;

/// Listings in pieces of the least size: a page.
const PIECES: &str = r#"
import ctypes, os, struct
libc = ctypes.CDLL(None)
def piece(fd):
    room = ctypes.create_string_buffer(4096)
    count, at, names = libc.getdents64(fd, room, 4096), 0, []
    assert count >= 0
    while at < count:
        length = struct.unpack_from("<H", room, at + 16)[0]
        names.append(room.raw[at + 19:at + length].split(b"\0")[0].decode())
        at += length
    return names
def rest(fd):
    names = []
    while more := piece(fd):
        names += more
    return names
def begin(path):
    fd = os.open(path, os.O_RDONLY)
    return fd, piece(fd)
"#;

/// What a Python program that lists in pieces says on the overlay.
fn said(stage: &Stage, program: &str) -> String {
    fs::write(stage.path("listing.py"), format!("{PIECES}{program}")).unwrap();
    let script = format!("python3 {}", stage.path("listing.py").display());
    stage.mounted(REAL, &script).expect(0).stdout
}

/// The kernel keeps what a reader has got, and gives it to those in the middle once there is an end
/// of it.
#[test]
fn a_name_is_not_listed_once_it_is_removed() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    stage.shell(
        "cd low",
        "mkdir tree; cd tree; for i in $(seq 200); do : > f$i; done",
    );
    let program = r#"
os.listdir("tree")
for turn in range(4):
    open("tree/last", "w").close()
    early, names = begin("tree")
    while "last" not in names:
        names += piece(early)
    os.unlink("tree/last")
    open("tree/next", "w").close()
    late, found = begin("tree")
    if turn % 2:
        other, _ = begin("tree")
        rest(other)
    assert rest(early) in ([], ["next"])
    found += rest(late)
    print(len(found), len(set(found)), "last" in found, "next" in found)
    os.unlink("tree/next")
    names = os.listdir("tree")
    print(len(names), names == os.listdir("tree"))
"#;
    let expected = "203 203 False True\n200 True\n".repeat(4);
    assert_eq!(said(&stage, program), expected);
}

#[test]
fn many_listings_go_on_where_they_were_after_changes() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let make = "for d in $(seq 100); do mkdir t$d; for i in $(seq 80); do : > t$d/f$i; done; done";
    stage.shell("cd low", make);
    let program = r#"
begun = {path: begin(path) for path in sorted(os.listdir(".")) if path.startswith("t")}
for path, (_, names) in begun.items():
    seen = [name for name in names if name.startswith("f")]
    for name in seen[:8]:
        os.unlink(f"{path}/{name}")
    for i in range(20):
        open(f"{path}/new{i}", "w").close()
bad = 0
for path, (fd, names) in begun.items():
    names += rest(fd)
    kept = [name for name in names if name.startswith("f")]
    bad += len(kept) != 80 or len(set(names)) != len(names)
print(len(begun), bad)
"#;
    assert_eq!(said(&stage, program), "100 0\n");
}
