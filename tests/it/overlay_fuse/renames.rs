// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names that move on the overlay over FUSE.

use super::{REAL, RECORDED, TELL, compare, is_ours};
use crate::support::requires;
use crate::support::stage::Stage;

/// renameat2(2) by its flags; prints what it says.
const RENAME: &str = r#"renames() { python3 -c 'import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
flags, old, new = int(sys.argv[1]), *map(str.encode, sys.argv[2:])
bad = libc.renameat2(-100, old, -100, new, flags)
print(errno.errorcode[ctypes.get_errno()] if bad else "done", *sys.argv[1:])' "$@"; }
"#;

#[test]
fn files_and_directories_are_renamed() {
    requires!("userns,fuse");
    compare(&format!(
        "{TELL}
        mv file moved; mv moved dir/moved; mv dir/low dir/both; cat dir/both
        mv dir other; ls; test ! -e dir; mkdir dir; ls -A dir; rmdir dir
        mv only other/deep/; mv other/deep/only/low/x x; cat x
        mkdir fresh; echo f > fresh/f; mv fresh only; cat only/f; ls -A only
        mkdir empty-dir; mv -T only empty-dir; ls empty-dir
        ln -s x link; mv link link2; readlink link2
        tell"
    ));
}

#[test]
fn names_are_exchanged_or_left_alone() {
    requires!("userns,fuse");
    compare(&format!(
        "{RENAME}{TELL}
        renames 1 file dir/low; renames 1 file free; renames 1 dir/mid one; renames 1 absent x
        renames 2 free dir/low; cat free dir/low; renames 2 only dir/deep; renames 2 one absent
        renames 2 dir/both only; renames 3 one two; renames 8 one two
        rm empty; renames 1 one empty; renames 2 empty two; cat empty two
        tell"
    ));
}

#[test]
fn an_overlay_of_the_kernel_has_its_upper_layer_there() {
    requires!("userns,fuse");
    if !is_ours() {
        return;
    }
    let script = format!(
        "{RENAME}
        echo l > only/l; mkdir -p up2 work2 m2 low2/d; echo 1 > low2/a; echo 2 > low2/d/b; echo 3 > low2/c
        renames 4 file moved; stat -c '%F %t:%T' file; cat moved
        renames 5 moved one; renames 6 moved one
        mount -t overlay overlay -o userxattr,lowerdir=low2,upperdir=up2,workdir=work2 m2
        mv m2/a m2/z; rm -r m2/d; mkdir m2/d; cat m2/z; ls m2 m2/d; echo more >> m2/c; umount m2
        stat -c '%n %F' up2/a up2/d; cat up2/c; rm up2/a; ls up2"
    );
    let found = Stage::filled().mounted(RECORDED, &script).expect(0);
    let expected = "done 4 file moved\ncharacter special file 0:0\nbelow
EEXIST 5 moved one\nEINVAL 6 moved one\n1\nm2:\nc\nd\nz\n\nm2/d:
up2/a character special file\nup2/d directory\n3\nmore\nc\nd\nz\n";
    assert_eq!(found.stdout, expected);
    let found = Stage::filled().mounted(REAL, &format!("{RENAME} renames 4 file moved; ls file"));
    assert_eq!(found.expect(0).stdout, "EINVAL 4 file moved\nfile\n");
}
