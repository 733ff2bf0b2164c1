// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The overlay over FUSE, mounted by hand in a user and mount namespace of its own. Most tests
//! run a script once in an ordinary directory and once on the overlay, with owners kept on the
//! files and with owners kept in attributes, and want the same words from all.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use coracle::layer_format::{self, FileKind, Opaque};
use coracle::sys::xattr::{self, Place, SetMode};

use crate::support::process::Call;
use crate::support::sandbox::{Tool, program, tool};
use crate::support::stage::{Ids, Stage};
use crate::support::{host, requires};

mod listing;
mod reading;
mod renames;

/// Where owners are kept, as the command line says it.
const REAL: &str = "";
const RECORDED: &str = ",xattr_permissions=2";

/// Whether these tests have to do with the tool under test at all.
fn is_ours() -> bool {
    tool() == Tool::Coracle
}

/// The script's words must be the same everywhere.
#[track_caller]
fn compare(script: &str) {
    if !is_ours() {
        return;
    }
    let expected = Stage::filled().shell("cd plain", script);
    assert!(!expected.is_empty(), "a script must say something");
    for options in [REAL, RECORDED] {
        let found = Stage::filled().mounted(options, script).expect(0);
        assert_eq!(
            found.stdout, expected,
            "options {options:?}; {}",
            found.stderr
        );
    }
}

/// Everything that can be told of a tree, without what is different in any case.
const TELL: &str = "tell() {
    find . -printf '%P %y %m %s %l\\n' | sed 's/^\\([^ ]* d [0-9]*\\) [0-9]*/\\1/' | LC_ALL=C sort
    find . -type f | LC_ALL=C sort | xargs cat
    }\n";

fn attribute_place(file: &File) -> Place<'_> {
    Place::Descriptor(file.as_fd())
}

fn set_attribute(path: &Path, name: &str, value: &[u8]) {
    let file = File::open(path).unwrap();
    let name = CString::new(name).unwrap();
    xattr::set(attribute_place(&file), &name, value, SetMode::Either).unwrap();
}

#[test]
fn layers_are_merged() {
    requires!("userns,fuse");
    compare(&format!("{TELL} tell"));
}

#[test]
fn files_are_made_and_changed() {
    requires!("userns,fuse");
    compare(&format!(
        "{TELL}
        echo new > new; echo more >> new; mkdir -p a/b/c; echo x > a/b/c/x; ln -s x a/link
        chmod 751 a; chmod 4711 new; : > dir/empty; echo 1 > empty; mkfifo pipe
        echo appended >> file; echo appended >> dir/deep/deeper/leaf
        printf over > dir/low; truncate -s 3 dir/both; touch -d @1000000000.5 dir/mid
        stat -c '%n %s %h' new file dir/low pipe; stat -c '%n %Y' dir/mid
        (umask 077; echo p > private; mkdir closed); stat -c %a private closed
        tell"
    ));
}

#[test]
fn names_are_removed_and_made_again() {
    requires!("userns,fuse");
    compare(&format!(
        "{TELL}
        rm file dir/low dir/both; test ! -e file; ls; ls dir
        rmdir dir/deep 2>/dev/null || echo not empty
        rm -r dir/deep; mkdir dir/deep; ls -A dir/deep; echo again > dir/deep/again
        rm -rf only; echo file > only; cat only; rm only; mkdir only; ls -A only
        mkdir file; rmdir file; echo back > file; cat file
        rm -rf dir; mkdir dir; ls -A dir; mkdir dir/deep; ls -A dir/deep
        tell"
    ));
}

#[test]
fn hard_links_stay_together() {
    requires!("userns,fuse");
    compare(&format!(
        "{TELL}
        stat -c %h one; echo written >> two; cat one dir/three; stat -c %h one two dir/three
        test one -ef dir/three && echo same
        rm one; cat two; stat -c %h two; ln two four; echo more >> four; cat dir/three
        mv dir/three three; echo last >> three; cat two; test two -ef three && echo same
        tell"
    ));
}

#[test]
fn hard_links_stay_together_over_a_new_mount() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::filled();
    stage
        .mounted(REAL, "stat one two >/dev/null; echo written >> one")
        .expect(0);
    let script = "cat two; test one -ef two && echo same; stat -c %h two";
    let found = stage.mounted(REAL, script).expect(0);
    assert_eq!(found.stdout, "shared\nwritten\nsame\n2\n");
}

#[test]
fn what_is_removed_stays_usable_while_it_is_open() {
    requires!("userns,fuse");
    compare(
        "exec 3<file 4>>dir/low 5<>new
        rm file dir/low new
        cat <&3; echo hidden >&4; echo kept >&5; stat -L -c '%h %s' /proc/self/fd/3 /proc/self/fd/4
        cat /proc/self/fd/4 /proc/self/fd/5
        (cd only/low && rm x && cd .. && rmdir low); ls -A only
        ls -A; exec 3<&- 4>&- 5>&-",
    );
}

#[test]
fn whiteouts_and_opaque_marks_are_those_of_the_kernel() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::filled();
    let script = "rm file; rm -r only; mkdir only; rm -r dir/deep; mv one renamed";
    stage.mounted(REAL, script).expect(0);
    for name in ["up/file", "up/dir/deep", "up/one"] {
        let status = stage.path(name).symlink_metadata().unwrap();
        assert!(status.file_type().is_char_device(), "{name}");
        assert_eq!(status.rdev(), 0, "{name}");
    }
    let only = File::open(stage.path("up/only")).unwrap();
    assert_eq!(
        layer_format::read_opaque(attribute_place(&only)),
        Ok(Opaque::Yes)
    );
    assert!(!stage.path("up/only/.wh..wh..opq").exists());
    assert_eq!(fs::read_dir(stage.path("low/only")).unwrap().count(), 1);
}

#[test]
fn marks_in_every_form_are_understood() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    stage.shell(
        "cd low",
        "mkdir a b c d; for d in a b c d; do echo 1 > $d/x; echo 2 > $d/y; done",
    );
    let marks = "mkdir a b c d; : > a/.wh.x; : > b/.wh..wh..opq; echo 3 > b/z; : > c/x; : > d/x";
    stage.shell("cd mid", marks);
    set_attribute(&stage.path("mid/c"), "user.fuseoverlayfs.opaque", b"y");
    set_attribute(&stage.path("mid/d"), "user.overlay.opaque", b"x");
    set_attribute(&stage.path("mid/d/x"), "user.overlay.whiteout", b"");
    let script = "for d in a b c d; do echo $d: $(ls -A $d); done
        for f in a/x a/.wh.x b/x b/.wh..wh..opq c/y d/x; do test ! -e $f || echo $f is there; done
        echo new > a/x; cat a/x; mkdir d/x; ls -A d/x; rmdir d/x; ls d";
    let found = stage.mounted(REAL, script).expect(0);
    assert_eq!(found.stdout, "a: y\nb: z\nc: x\nd: y\nnew\ny\n");
}

#[test]
fn owners_and_modes_are_recorded() {
    requires!("userns,fuse,range");
    if !is_ours() {
        return;
    }
    let mut stage = Stage::filled();
    stage.ids = Ids::Range;
    let script = "chown 5:6 file; chmod 4755 file; chown 7 dir; chmod 1000 dir
        echo x > new; chown 1:2 new; chmod 0 new; ln -s new link; chown -h 3:4 link
        mkfifo pipe; chown 8:9 pipe; python3 -c 'import socket; socket.socket(1).bind(\"sock\")'
        mkdir setgid; chown 0:77 setgid; chmod 2775 setgid; : > setgid/file; mkdir setgid/dir";
    stage.mounted(RECORDED, script).expect(0);
    let tell = "stat -c '%n %u:%g %a %F' file dir new link pipe sock setgid/file setgid/dir
        readlink link; cat new; chmod 4755 new; echo y >> new; stat -c %a new; ls -l . >/dev/null
        find . -type l; find . -type p; find . -type s";
    let found = stage.mounted(RECORDED, tell).expect(0);
    let expected = "file 5:6 4755 regular file\ndir 7:0 1000 directory\nnew 1:2 0 regular file
link 3:4 777 symbolic link\npipe 8:9 644 fifo\nsock 0:0 755 socket
setgid/file 0:77 644 regular empty file\nsetgid/dir 0:77 2755 directory
new\nx\n4755\n./link\n./dir/link\n./pipe\n./sock\n";
    // Root outside of all user namespaces keeps setuid when it writes.
    let kept = if host::is_root() { "4755" } else { "755" };
    let expected = expected.replacen("x\n4755", &format!("x\n{kept}"), 1);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&found.stdout), sorted(&expected));
    let file = File::open(stage.path("up/file")).unwrap();
    let recorded = layer_format::read_override_stat(attribute_place(&file))
        .unwrap()
        .unwrap();
    assert_eq!((recorded.uid, recorded.gid, recorded.mode), (5, 6, 0o4755));
    assert_eq!(recorded.kind, Some(FileKind::Regular));
    let on_disk = stage.path("up/file").metadata().unwrap();
    assert_eq!(
        on_disk.mode() & 0o7777,
        0o755,
        "no setuid file for the host"
    );
    assert!(stage.path("up/link").symlink_metadata().unwrap().is_file());
}

#[test]
fn new_files_get_the_rights_that_the_mask_and_the_list_of_their_directory_leave() {
    requires!("userns,fuse,range");
    if !is_ours() {
        return;
    }
    let script = r#"
import os, struct
os.chown("only", 5, 6)
os.chmod("only", 0o2777)
os.mkdir("listed")
os.chown("listed", 5, 6)
entries = [(1, 7), (4, 7), (0x20, 0)]
default = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e, 0xffffffff) for e in entries)
with_list = os.environ["OPTIONS"] == ""
if with_list:
    os.setxattr("listed", "system.posix_acl_default", default)
    os.setxattr("dir", "system.posix_acl_default", default)
os.chown("dir", 5, 6)
os.setgroups([])
os.setresgid(5, 5, 5)
os.setresuid(5, 5, 5)
os.umask(0o027)
def tell(path):
    status = os.lstat(path)
    print(path, "%o" % (status.st_mode & 0o7777), status.st_uid, status.st_gid)
os.mkdir("only/made", 0o777)
tell("only/made")
open("only/file", "w")
tell("only/file")
os.close(os.open("only/setuid", os.O_CREAT | os.O_WRONLY, 0o4777))
tell("only/setuid")
# Who makes a file may write it, whatever its mode; nobody may after.
made = os.open("only/sealed", os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_RDWR, 0o444)
os.write(made, b"sealed")
print(os.pread(made, 9, 0), os.fstat(made).st_nlink)
os.close(made)
for flags in [os.O_RDWR | os.O_CREAT, os.O_RDONLY | os.O_CREAT | os.O_EXCL]:
    try:
        os.open("only/sealed", flags, 0o666)
    except OSError as error:
        print(error.strerror)
os.rename("only/made", "only/moved")
os.mkdir("only/made", 0o777)
tell("only/made")
if with_list:
    # Names that the lower layer has, had, and never had.
    for name in ["dir/low", "dir/both"]:
        os.unlink(name)
    for path in ["dir/low", "dir/both", "dir/fresh", "listed/file"]:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o777))
        tell(path)
    os.rmdir("dir/middle")
    os.mkdir("dir/middle")
    tell("dir/middle")
    print(os.getxattr("dir/middle", "system.posix_acl_default") == default)
"#;
    let plain = "only/made 2750 5 6\nonly/file 640 5 6\nonly/setuid 4750 5 6\nb'sealed' 1\n\
        Permission denied\nFile exists\nonly/made 2750 5 6\n";
    let listed = "dir/low 770 5 5\ndir/both 770 5 5\ndir/fresh 770 5 5\nlisted/file 770 5 5\n\
        dir/middle 770 5 5\nTrue\n";
    for (options, expected) in [
        (REAL, format!("{plain}{listed}")),
        (RECORDED, plain.to_owned()),
    ] {
        let mut stage = Stage::filled();
        stage.ids = Ids::Range;
        let script = format!("OPTIONS='{options}' python3 - <<'END'{script}END");
        let found = stage.mounted(options, &script).expect(0);
        assert_eq!(found.stdout, expected, "options {options:?}");
    }
}

#[test]
fn a_write_takes_setuid_away() {
    requires!("userns,fuse,unprivileged");
    compare(
        "for f in file dir/low new; do
            echo x >> $f; chmod 6755 $f; stat -c %a $f; echo y >> $f; stat -c %a $f
            chmod 6755 $f; truncate -s 1 $f; stat -c %a $f
        done",
    );
}

#[test]
fn attributes_of_the_layer_format_are_hidden() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let script = r#"
import os, errno
os.setxattr("file", "user.comment", b"hello")
os.setxattr("dir/low", "user.comment", b"x" * 1000)
os.setxattr("only", "user.overlay.opaque", b"y")
print(os.getxattr("file", "user.comment"), len(os.getxattr("dir/low", "user.comment")))
print(os.listxattr("file"), os.listxattr("only"), os.getxattr("only", "user.overlay.opaque"))
print(os.listdir("only"))
for name in ["user.containers.override_stat", "user.fuseoverlayfs.opaque"]:
    try:
        os.setxattr("file", name, b"0:0:04755")
    except OSError as error:
        print(errno.errorcode[error.errno])
    try:
        os.getxattr("file", name)
    except OSError as error:
        print(errno.errorcode[error.errno])
os.removexattr("file", "user.comment")
os.chmod("file", 0o604)
print(os.listxattr("file"), oct(os.stat("file").st_mode))
"#;
    let expected = "b'hello' 1000\n['user.comment'] ['user.overlay.opaque'] b'y'\n['low']\n\
        EOPNOTSUPP\nENODATA\nEOPNOTSUPP\nENODATA\n[] 0o100604\n";
    for options in [REAL, RECORDED] {
        let stage = Stage::filled();
        let found = stage
            .mounted(options, &format!("python3 - <<'END'{script}END"))
            .expect(0);
        assert_eq!(found.stdout.replace("ENOTSUP\n", "EOPNOTSUPP\n"), expected);
    }
}

#[test]
fn a_directory_of_five_thousand_names() {
    requires!("userns,fuse");
    compare(
        "mkdir dir/many; cd dir/many
        seq 5000 | xargs touch; ls | wc -l; ls -f | sort -u | wc -l
        find . -type f -name '*7' -delete; ls | wc -l; ls -l | wc -l
        seq 1 2 5000 | xargs rm -f; ls | sort -n | md5sum
        cd ..; rm -r many; ls -A",
    );
}

#[test]
fn a_big_file_keeps_its_bytes_and_its_holes() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let make = "head -c 40000000 /dev/urandom > big; truncate -s 64M sparse; truncate -s 80M sparse
        printf end >> sparse; md5sum big sparse";
    let sums = stage.shell("cd low", make);
    let script = "md5sum big sparse; printf x >> big; printf x >> sparse
        test $(stat -c %b sparse) -lt 2048 && echo sparse; head -c 40000000 big | md5sum | cut -c1-32
        cp big copy; cmp big copy && echo same";
    let found = stage.mounted(REAL, script).expect(0);
    let big = &sums[..32];
    assert_eq!(found.stdout, format!("{sums}sparse\n{big}\nsame\n"));
}

#[test]
fn programs_run_and_files_are_mapped() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    fs::copy("/bin/busybox", stage.path("low/busybox")).unwrap();
    fs::write(stage.path("low/text"), "0123456789").unwrap();
    let script = "./busybox echo runs; touch busybox; ./busybox echo still
        python3 -c '
import mmap
with open(\"text\", \"r+b\") as file:
    mapped = mmap.mmap(file.fileno(), 0)
    mapped[2:4] = b\"XX\"
    mapped.flush()
'
        cat text";
    let found = stage.mounted(REAL, script).expect(0);
    assert_eq!(found.stdout, "runs\nstill\n01XX456789");
    assert_eq!(fs::read(stage.path("low/text")).unwrap(), b"0123456789");
}

#[test]
fn without_an_upper_layer_nothing_can_be_changed() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let script = "cat dir/both; for c in 'touch new' 'rm file' 'mv file x' 'chmod 600 file' \
        'mkdir d' 'ln file l'; do $c 2>&1 | grep -q 'Read-only file system' && echo refused; done";
    let found = Stage::filled().mount("lowerdir=mid:low", script).expect(0);
    assert_eq!(found.stdout, format!("above\n{}", "refused\n".repeat(6)));
}

#[test]
fn files_of_unmapped_owners_appear_as_roots() {
    requires!("userns,fuse,unprivileged");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let options = format!("lowerdir=/etc,upperdir=up,workdir=work{RECORDED},squash_unmapped");
    let script = "stat -c %u:%g passwd .; echo more >> passwd
        tail -n 1 passwd; rm hostname; test ! -e hostname; mv skel skel2; test -f skel2/.profile; echo end";
    let found = stage.mount(&options, script).expect(0);
    assert_eq!(found.stdout, "0:0\n0:0\nmore\nend\n");
}

#[test]
fn owners_that_one_id_cannot_show_are_kept() {
    requires!("userns,fuse,unprivileged");
    if !is_ours() {
        return;
    }
    let stage = Stage::filled();
    set_attribute(
        &stage.path("low"),
        "user.containers.override_stat",
        b"0:0:0755:dir",
    );
    set_attribute(
        &stage.path("low/file"),
        "user.containers.override_stat",
        b"33:34:4750:file",
    );
    let options = format!("{RECORDED},squash_unmapped");
    let script = "stat -c %u:%g:%a file; chmod 640 file; echo more >> file; cat file
        chown 0 file 2>&1; stat -c %u:%g:%a file";
    let found = stage.mounted(&options, script).expect(0);
    assert_eq!(found.stdout, "0:0:4750\nbelow\nmore\n0:0:640\n");
    let file = File::open(stage.path("up/file")).unwrap();
    let recorded = layer_format::read_override_stat(attribute_place(&file))
        .unwrap()
        .unwrap();
    assert_eq!((recorded.uid, recorded.gid, recorded.mode), (0, 34, 0o640));
}

#[test]
fn long_names_and_the_space_that_is_left() {
    requires!("userns,fuse");
    compare(
        "name=$(printf '%0255d' 0); echo long > $name; cat $name; echo .wh > x.wh.y; ls x*
        touch ${name}1 2>/dev/null || echo too long; stat -f -c %l .; ls -d $name | wc -c",
    );
}

#[test]
fn the_server_ends_with_its_mount() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::filled();
    let script = "pid=$(pgrep -f \"overlay-fuse -o .*workdir=work m\" -n); cd /; umount \"$0/m\"
        trap - EXIT; timeout 20 tail --pid=$pid -f /dev/null && echo ended";
    let found = stage.mounted(REAL, script).expect(0);
    assert_eq!(found.stdout, "ended\n");
}

#[test]
fn the_server_ends_with_the_mount_namespace() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::filled();
    let script = "trap - EXIT; cat file; pgrep -f \"overlay-fuse -o .*workdir=work m\" -n";
    for options in [REAL, RECORDED] {
        let found = stage.mounted(options, script).expect(0);
        let (words, pid) = found.stdout.split_once('\n').unwrap();
        assert_eq!(words, "below");
        let mut tail = Call::new("timeout");
        let pid = format!("--pid={}", pid.trim());
        tail = tail.args(["20", "tail", &pid, "-f", "/dev/null"]);
        tail.run().expect(0);
    }
}

/// Writes and syncs files, and says which; makes, renames and removes others all the while.
const LOAD: &str = r#"
import os, threading
def run(work):
    try:
        work()
    except OSError:
        pass
def churn():
    for i in range(1 << 30):
        os.mkdir(f"c{i}")
        with open(f"c{i}/f", "w") as file:
            file.write("x" * 5000)
        os.rename(f"c{i}/f", f"c{i}/g")
        os.chmod("dir/low", 0o600 + i % 8)
        os.remove(f"c{i}/g")
        os.rmdir(f"c{i}")
def write():
    for i in range(1 << 30):
        with open(f"s{i}", "w") as file:
            file.write(str(i) * 1000)
            file.flush()
            os.fsync(file.fileno())
        os.write(1, b"%d\n" % i)
threading.Thread(target=run, args=[churn], daemon=True).start()
run(write)
"#;

#[test]
fn a_killed_server_loses_nothing_and_leaves_nothing() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::filled();
    fs::write(stage.path("load.py"), LOAD).unwrap();
    let times = std::env::var("CORACLE_TEST_KILLS").unwrap_or_else(|_| "5".to_owned());
    let script = format!(
        "trap - EXIT; cd ..; umount m
        for round in $(seq {times}); do
            \"$CORACLE\" overlay-fuse -f -o lowerdir=mid:low,upperdir=up,workdir=work m & pid=$!
            until mountpoint -q m; do :; done
            (cd m; exec timeout 60 python3 ../load.py) >synced 2>/dev/null & load=$!
            until test $(wc -l <synced) -gt $((round % 7)); do :; done
            kill -9 $pid; wait $pid || :
            wait $load || test $? != 124 || echo the load hangs
            stat m/file 2>&1 | grep -q 'not connected' || echo the mount answers
            umount m || echo the mount is stale
            while read -r i; do
                test $(stat -c %s up/s$i) = $((1000 * $(printf %s $i | wc -c))) || echo lost s$i
            done <synced
            rm -f up/s*
        done
        \"$CORACLE\" overlay-fuse -o lowerdir=mid:low,upperdir=up,workdir=work m
        cat m/file m/dir/low; ls work/coracle; umount m; echo end"
    );
    let found = stage.mounted(REAL, &script).expect(0);
    assert_eq!(
        found.stdout, "below\nbelow\nwhiteout\nend\n",
        "{}",
        found.stderr
    );
}

#[test]
fn mistakes_are_told() {
    if !is_ours() {
        return;
    }
    let table = [
        ("lowerdir=/", "Error: no mount point given\n"),
        (
            "lowerdir=/nowhere /mnt",
            "Error: open overlay layer /nowhere: ENOENT: No such file or directory\n",
        ),
        (
            "lowerdir=/,upperdir=/tmp /mnt",
            "Error: overlay upper layer /tmp needs a work directory\n",
        ),
        ("upperdir /mnt", "Error: option upperdir needs a value\n"),
    ];
    for (line, expected) in table {
        let arguments = format!("overlay-fuse -o {line}");
        let found = Call::new(&program())
            .args(arguments.split(' '))
            .run()
            .expect(1);
        assert_eq!(found.stderr, expected, "{line}");
    }
}
