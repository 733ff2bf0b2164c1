# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The overlay rows of `run`: the same work on overlays of several makers, in turn.

All runs in a user and mount namespace of an unprivileged user, in BENCH_DIR (best an ext4 on a
loop device in memory: a disk has its own moods). Cold is a new mount over layers that are in the
page cache. Pinned means that all processes, the server too, run on one processor, for root with
real-time priority, so that nothing else on the machine counts. Peers, from the environment:

    PEER_FUSE_OVERLAYFS      fuse-overlayfs
    PEER_FUSE_OVERLAYFS_NEW                   another, newer one

BENCH_OVERLAYS names those to measure, by how their names begin, with commas between.
"""

import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FILES, MANY, FEW = 50_000, 20_000, 5_000

# Each group begins with a new mount. A row: its name, and the command below the mount point.
GROUPS = [
    [("walk of 50,000 files, cold", "find tree -printf %s >/dev/null"),
     ("the same, warm", "find tree -printf %s >/dev/null")],
    [("cat of 50,000 files, cold", "find tree -type f -print0 | xargs -0 cat >/dev/null"),
     ("the same, warm", "find tree -type f -print0 | xargs -0 cat >/dev/null"),
     ("the same, warm again", "find tree -type f -print0 | xargs -0 cat >/dev/null")],
    [("read of 512 MiB, cold", "cat big >/dev/null"), ("the same, warm", "cat big >/dev/null")],
    [("write of 256 MiB", "dd if=/dev/zero of=new bs=1M count=256 status=none"),
     ("write of 64 MiB by 4 KiB", "dd if=/dev/zero of=new4 bs=4k count=16384 status=none"),
     ("untar of 20,000 files", "mkdir out; tar xf tree.tar -C out"),
     ("rm of them", "rm -r out")],
    [("append to 1,000 lower files", "calls change tree 1000"),
     ("rm of 5,000 lower files", "cd tree; seq 20 69 | sed s/^/d/ | xargs rm -r")],
    [("chmod of 1,000 lower files", "calls chmod tree 1000")],
    [("git status, cold", "git -C repo status --short >/dev/null"),
     ("the same, warm", "git -C repo status --short >/dev/null")],
    [("import of 500 modules, cold", "cd modules; python3 -B -c 'import every'"),
     ("the same, warm", "cd modules; python3 -B -c 'import every'")],
    [("make of 40 files in C, cold", "make -s -C code"),
     ("the same, warm", "make -s -C code clean; make -s -C code")],
    [("stat of 20,000 files, warm", "calls stat tree 20000"),
     ("20,000 absent names, cold", "calls enoent tree 20000"),
     ("the same, warm", "calls enoent tree 20000"),
     ("open of 20,000 files, warm", "calls open tree 20000"),
     ("20,000 appends of 100 bytes", "calls append . 20000"),
     ("create of 5,000 files", "mkdir c; calls create c 5000"),
     ("rename of them", "calls rename c 5000")],
]
# Brings what a warm row needs into the caches.
WARM_UP = {"stat of 20,000 files, warm": "find tree -printf %s >/dev/null",
           "open of 20,000 files, warm": "calls open tree 20000"}

# What an unprivileged user has.
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
ROOM = "lowerdir={0}/low,upperdir={0}/room/up,workdir={0}/room/work"


def titles():
    """Row titles in order; `the same` follows its first."""
    for group in GROUPS:
        last = ""
        for title, command in group:
            if title.startswith("the same"):
                yield group, last.rsplit(",", 1)[0] + title.removeprefix("the same"), command
            else:
                last = title
                yield group, title, command


# ---- what is measured -----------------------------------------------------------------------


def make_tree(base):
    """The lower layer, and in it all that the rows need."""
    low = os.path.join(base, "low")
    tree = os.path.join(low, "tree")
    for i in range(FILES):
        directory = os.path.join(tree, f"d{i // 100}")
        if i % 100 == 0:
            os.makedirs(directory)
        with open(os.path.join(directory, f"f{i % 100}"), "wb") as file:
            file.write(b"x" * (500 + i * 37 % 4000))
    with open(os.path.join(low, "big"), "wb") as file:
        block = os.urandom(1 << 20)
        for _ in range(512):
            file.write(block)
    with tarfile.open(os.path.join(low, "tree.tar"), "w") as tar:
        for i in range(MANY // 100):
            tar.add(os.path.join(tree, f"d{i}"), arcname=f"d{i}")
    make_repository(os.path.join(low, "repo"), tree)
    make_modules(os.path.join(low, "modules"))
    make_code(os.path.join(low, "code"))


def make_repository(repo, tree):
    os.makedirs(repo)
    for i in range(FEW // 100):
        shutil.copytree(os.path.join(tree, f"d{i}"), os.path.join(repo, f"d{i}"))
    git = ["git", "-C", repo, "-c", "user.name=bench", "-c", "user.email=bench"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(git + words, check=True)


def make_modules(modules):
    os.makedirs(modules)
    for i in range(500):
        with open(os.path.join(modules, f"m{i}.py"), "w") as file:
            file.write(f"def f{i}():\n    return {i}\n" * 5)
    with open(os.path.join(modules, "every.py"), "w") as file:
        file.write("".join(f"import m{i}\n" for i in range(500)))
    subprocess.run(["python3", "-m", "compileall", "-q", modules], env={"PATH": PATH}, check=True)


def make_code(code):
    os.makedirs(code)
    names = [f"c{i}" for i in range(40)]
    for name in names:
        with open(os.path.join(code, f"{name}.c"), "w") as file:
            file.write(f"#include <stdio.h>\nint {name}(void) {{ return puts(\"{name}\"); }}\n")
    with open(os.path.join(code, "Makefile"), "w") as file:
        objects = " ".join(f"{name}.o" for name in names)
        file.write(f"all: {objects}\nclean:\n\trm -f {objects}\n")


def build_calls(base):
    os.makedirs(os.path.join(base, "bin"))
    source = os.path.join(HERE, "calls.c")
    subprocess.run(["cc", "-O2", "-o", os.path.join(base, "bin/calls"), source], check=True)


# ---- measuring, inside of the namespace -----------------------------------------------------


def mounted(base, mount):
    """A new mount with an empty upper layer; returns its mount point."""
    room = os.path.join(base, "room")
    shutil.rmtree(room, ignore_errors=True)
    for name in ("up", "work", "m"):
        os.makedirs(os.path.join(room, name))
    point = os.path.join(room, "m")
    if mount is None:
        # The same names in a plain directory: copies that share nothing with the others.
        subprocess.run(["cp", "-a", "--reflink=auto", f"{base}/low/.", point], check=True)
    else:
        words = [word.format(ROOM.format(base), point, base) for word in mount]
        subprocess.run(words, check=True)
    return point


def bring_in(base, group):
    """Reads what a group reads into the page cache, from which a machine may have taken it."""
    commands = " ".join(command for _, command in group)
    for name in os.listdir(os.path.join(base, "low")):
        if name in commands:
            path = os.path.join(base, "low", name)
            subprocess.run(f"find {path} -type f -print0 | xargs -0 cat >/dev/null", shell=True,
                           check=True)


def unmount(point, mount):
    if mount is not None:
        subprocess.run(["umount", point], check=True)
        shown = os.path.join(os.path.dirname(point), "shown")
        if os.path.ismount(shown):
            subprocess.run(["umount", shown], check=True)


def shell(point, command):
    subprocess.run(["sh", "-ec", command], cwd=point, check=True)


def inside(base, mount, only):
    """Prints the seconds of each row of one system as JSON."""
    found, point, current = {}, None, None
    for group, title, command in titles():
        if group is not current:
            if not any(only in name for other, name, _ in titles() if other is group):
                continue
            if point and (mount is not None):
                unmount(point, mount)
            bring_in(base, group)
            # The plain directory is copied only where the last group changed it.
            if mount is not None or point is None or current[0][0].startswith(("append", "chmod")):
                point = mounted(base, mount)
            current = group
        if title in WARM_UP:
            shell(point, WARM_UP[title])
        # The kernel takes the processor from real-time work for 50 ms after 950 in one second.
        time.sleep(0.2)
        start = time.perf_counter()
        shell(point, command)
        found[title] = time.perf_counter() - start
    if point:
        unmount(point, mount)
    shutil.rmtree(os.path.join(base, "room"), ignore_errors=True)
    print(json.dumps(found))


# ---- from outside ---------------------------------------------------------------------------


def systems(coracle):
    """Name and mount command of each; `None` is a plain directory."""
    found = {"native": None}
    for name, more in (("kernel", ""), ("kernel volatile", ",volatile")):
        found[name] = ["mount", "-t", "overlay", "overlay", "-o", "{0},userxattr" + more, "{1}"]
    for variable, default in (("PEER_FUSE_OVERLAYFS", "fuse-overlayfs"),
                              ("PEER_FUSE_OVERLAYFS_NEW", "")):
        program = shutil.which(os.environ.get(variable, default) or "/nowhere")
        if program:
            text = subprocess.run([program, "--version"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
            words = text.stdout.split("fuse-overlayfs:")[-1].split()
            version = words[words.index("version") + 1] if "version" in words else words[-1]
            found[f"fuse-overlayfs {version}"] = [program, "-o", "{0}", "{1}"]
    found["coracle"] = [coracle, "overlay-fuse", "-o", "{0}", "{1}"]
    # As a container's root is mounted: the kernel's overlay over one of ours that shows the layer.
    found["hybrid"] = ["sh", "-ec", f"""mkdir {{2}}/room/shown
        {coracle} overlay-fuse -o lowerdir={{2}}/low,datapath=/ {{2}}/room/shown
        mount -t overlay overlay -o userxattr,xino=on,lowerdir={{2}}/room/shown::{{2}}/low \\
            -o upperdir={{2}}/room/up,workdir={{2}}/room/work {{1}}"""]
    wanted = os.environ.get("BENCH_OVERLAYS", "").split(",")
    return {name: mount for name, mount in found.items() if any(map(name.startswith, wanted))}


def as_user(user, path):
    """A command prefix: a user and mount namespace of this user, with a range."""
    prefix = []
    if os.getuid() == 0:
        prefix = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]
    return prefix + ["env", "-i", f"PATH={path}", "HOME=/", "unshare", "-U", "-r", "--map-auto", "-m"]


def pinned():
    last = str(max(os.sched_getaffinity(0)))
    prefix = ["taskset", "-c", last]
    return (["chrt", "-f", "1"] if os.getuid() == 0 else []) + prefix


def measure(base, coracle, user, rounds, only, prefix):
    """Medians of the rows for each system."""
    found = {name: {} for name in systems(coracle)}
    for _ in range(rounds):
        for name, mount in systems(coracle).items():
            words = ["python3", __file__, base, json.dumps(mount), only]
            lane = prefix + as_user(user, f"{base}/bin:{PATH}")
            answer = subprocess.run(lane + words, stdout=subprocess.PIPE, text=True, check=True)
            for title, seconds in json.loads(answer.stdout).items():
                found[name].setdefault(title, []).append(seconds)
    return {name: {title: statistics.median(times) for title, times in rows.items()}
            for name, rows in found.items()}


def geometric_mean(numbers):
    return math.exp(statistics.fmean(math.log(number) for number in numbers))


def report(found, title):
    names = list(found)
    rivals = [name for name in names if name.startswith("fuse-overlayfs")]
    print(f"| {title} | " + " | ".join(names) + " | "
          + " | ".join(f"{name} : coracle" for name in rivals) + " |")
    print("|---|" + "---:|" * (len(names) + len(rivals)))
    for _, row, _ in titles():
        if row not in found["coracle"]:
            continue
        cells = [f"{found[name][row] * 1000:.0f} ms" for name in names]
        for rival in rivals:
            ratio = found[rival][row] / found["coracle"][row]
            cells.append(f"{ratio:.2f}")
        print(f"| {row} | " + " | ".join(cells) + " |")
    for what, least in (("geometric mean", 0), ("of the rows where native is twice as fast", 2)):
        means = [mean_where_native(found, rival, least) for rival in rivals]
        print(f"| {what} | " + " | ".join([""] * len(names) + means) + " |", flush=True)


def mean_where_native(found, rival, least):
    """How much slower than ours a rival is, in the rows where native is `least` times as fast."""
    native = found.get("native", {})
    ratios = [seconds / found["coracle"][row] for row, seconds in found[rival].items()
              if seconds >= least * native.get(row, math.inf if least else 0)]
    return f"{geometric_mean(ratios):.2f}" if ratios else ""


def run(scratch, coracle, user, rounds, only, how):
    """Prints both tables."""
    base = os.path.join(scratch, "overlay")
    os.makedirs(base)
    build_calls(base)
    make_tree(base)
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{user}:", base], check=True)
    for name, prefix in (("pinned", pinned()), ("free", [])):
        if how in ("both", name):
            report(measure(base, coracle, user, rounds, only, prefix),
                   f"overlays, {name}, medians of {rounds}")
            print()


if __name__ == "__main__":
    inside(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3])
