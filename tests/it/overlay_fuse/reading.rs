// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reading on the overlay over FUSE: what the kernel keeps of it, and what is large.

use std::fs;

use super::{REAL, compare, is_ours};
use crate::support::requires;
use crate::support::stage::Stage;

/// A quarter of a directory's files read makes the kernel list it anew.
#[test]
fn directories_that_are_read_are_shown_as_they_are() {
    requires!("userns,fuse");
    compare(
        "mkdir read; cd read; for i in $(seq 80); do echo $i > f$i; done
        look() { LC_ALL=C ls; stat -c '%n %a %s %h' f3 f4 new 2>&1 || :; cat * 2>&1 | md5sum; }
        look; look; mv f1 g1; rm f2 f70; chmod 600 f3; echo more >> f4; ln f5 new; look
        rm g1; mkdir f2; echo in > f2/in; look; look",
    );
}

#[test]
fn lower_directories_that_are_read_are_shown_as_they_are() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let make = "mkdir tree; cd tree; for i in $(seq 100); do echo $i > f$i; done";
    stage.shell("cd low", make);
    let look = "look() { LC_ALL=C ls; stat -c '%n %a %s %h %Y' *; cat * | md5sum; }; cd tree";
    let change = "mv f1 g1; rm f2 f70; chmod 600 f3; echo more >> f4; touch -d @1 *; ln f5 new";
    let script = format!("{look}; look >/dev/null; {change}; look > ../one; look > ../two");
    let again = "cmp one two && echo same; md5sum < one";
    let found = stage.mounted(REAL, &format!("{script}; cd ..; {again}"));
    let found = found.expect(0).stdout;
    let expected = stage.shell("cd low", &format!("{look}; {change}; look | md5sum"));
    assert_eq!(found, format!("same\n{expected}"));
}

/// Most of a directory's files looked up makes its first listing one of names alone.
#[test]
fn directories_whose_files_were_looked_up_are_listed_as_they_are() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let make = "mkdir all most gone; for d in all most gone; do
        for i in $(seq 200); do echo $i > $d/f$i; done; mkdir $d/sub; ln -s f1 $d/link; done";
    stage.shell("cd low", make);
    let look = "for d in all most; do for i in $(seq 120); do test -f $d/f$i; done; done
        for i in $(seq 121 200); do test -f all/f$i; done
        for i in $(seq 200); do test -f gone/f$i; done; rm gone/f*
        python3 -c '
import os
for directory in (\"all\", \"most\", \"gone\"):
    for turn in range(3):
        shown = sorted((e.name, e.inode() == e.stat(follow_symlinks=False).st_ino, e.is_dir())
                       for e in os.scandir(directory))
        print(directory, shown)
'; ls -a all | wc -l; rm all/f1; echo > all/new; ls all | sort | md5sum; ls -l most | wc -l";
    let found = stage.mounted(REAL, look).expect(0).stdout;
    let expected = stage.shell("cd low", look);
    assert!(found.contains("('f200', True, False)"), "{found}");
    assert_eq!(found, expected);
}

/// Who reads while data is written past the cache sees the new data afterwards.
#[test]
#[cfg(target_arch = "x86_64")]
fn data_that_is_written_directly_and_later_is_read() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    // io_setup(2), io_submit(2), io_getevents(2).
    let script = r#"
use strict; use Fcntl; my ($size, $direct) = (655360, 040000);
sysopen(my $made, "f", O_RDWR|O_CREAT) or die; syswrite($made, "\0" x $size);
my @readers = map { my $pid = fork(); unless ($pid) { while (1) { open(my $f, "<", "f"); sysread($f, my $x, $size) } } $pid } 1, 2;
sysopen(my $out, "f", O_RDWR|$direct) or die "open: $!";
my $ctx = pack("Q", 0); syscall(206, 8, $ctx) == 0 or die "io_setup: $!"; $ctx = unpack("Q", $ctx);
my $bad = 0; my $end = time + 2; my $turns = 0;
while (time < $end) {
  my $byte = $turns++ % 2 ? "\x55" : "\xaa"; my $buffer = $byte x ($size + 4096);
  my $at = (unpack("Q", pack("p", $buffer)) + 4095) & ~4095;
  my $iocb = pack("QLLSsLQQqQLL", 0, 0, 0, 1, 0, fileno($out), $at, $size, 0, 0, 0, 0);
  my $list = pack("p", $iocb); my $events = "\0" x 32;
  syscall(209, $ctx, 1, $list) == 1 or die "io_submit: $!";
  syscall(208, $ctx, 1, 1, $events, 0) == 1 or die "io_getevents: $!";
  unpack("x16q", $events) == $size or die "wrote ".unpack("x16q", $events);
  open(my $in, "<", "f"); sysread($in, my $seen, $size);
  $bad++ if $seen ne $byte x $size;
}
kill 9, @readers; print $bad ? "old data $bad of $turns\n" : "new data\n";
"#;
    let stage = Stage::new();
    let found = stage.mounted(REAL, &format!("perl - <<'END'\n{script}\nEND"));
    assert_eq!(found.expect(0).stdout, "new data\n");
}

/// Offsets and sizes at and beside pages, ends and what one request reads; a file that shrinks
/// below the mount while its size is known.
#[test]
fn large_files_are_read_from_anywhere() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let stage = Stage::new();
    let bytes: Vec<u8> = (0..3_000_001_u32)
        .map(|n| (n / 7).to_le_bytes()[0])
        .collect();
    fs::write(stage.path("low/big"), &bytes).unwrap();
    fs::write(stage.path("low/shrinks"), &bytes).unwrap();
    let script = format!(
        "python3 -c '
import mmap, os
want = open(\"{low}/big\", \"rb\").read()
plain = os.open(\"big\", os.O_RDONLY)
direct = os.open(\"big\", os.O_RDONLY | os.O_DIRECT)
for at in (0, 1, 4095, 4096, 131071, 131072, 2900000, 3000000, 3000001):
    for size in (1, 4096, 32768, 131072, 1000000):
        assert os.pread(plain, size, at) == want[at:at + size], (at, size)
        if at % 4096 == 0 and size % 4096 == 0:
            room = mmap.mmap(-1, size)
            count = os.preadv(direct, [room], at)
            assert room[:count] == want[at:at + size], (\"direct\", at, size)
mapped = mmap.mmap(plain, 0, prot=mmap.PROT_READ)
assert mapped[:] == want
print(\"as below\")
os.truncate(\"{low}/shrinks\", 1000000)
print(len(open(\"shrinks\", \"rb\").read(2000000)) >= 1000000)
assert open(\"big\", \"rb\").read() == want
'; cmp big {low}/big && echo same; printf x | dd of=big conv=notrunc bs=1 seek=2000000 2>/dev/null && cmp big {low}/big | wc -l",
        low = stage.path("low").display(),
    );
    let found = stage.mounted(REAL, &script).expect(0);
    assert_eq!(found.stdout, "as below\nTrue\nsame\n1\n");
}
