#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What `--userns keep-id` costs with a large image, beside a plain start.

    tests/bench/keep_id.py ARCHIVE PROGRAM...       as in
    tests/bench/keep_id.py image.tar "coracle" "podman --storage-driver overlay"

As an ordinary user with a range of ids (podman: in a cgroup v2 tree that the user owns). ARCHIVE
is what `make_image.py DIRECTORY` leaves as image.tar. Each PROGRAM, with its global flags, loads it
into a new store below BENCH_DIR (/var/tmp) and then starts it by turns plainly and with
`--userns keep-id`; the first start of the latter is told apart, since podman copies the image then.
Disk is what `du` says of the store.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import make_image

ROUNDS = 9
KINDS = (("plain", []), ("keep-id", ["--userns", "keep-id"]))


def measured(engine, words):
    """Milliseconds of one container from its start to its end."""
    start = time.perf_counter()
    command = ["run", "--rm", "--network", "none", *words, make_image.NAME, "true"]
    subprocess.run(engine + command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - start) * 1000


def disk(engine, store):
    """Megabytes; the files have other owners, so the engine's namespace must look."""
    said = subprocess.run(engine + ["unshare", "du", "-sm", store], check=True,
                          stdout=subprocess.PIPE, text=True)
    return int(said.stdout.split()[0])


def report(program, archive, scratch):
    """Prints the row of one program."""
    words = program.split()
    name = os.path.basename(words[0])
    store = os.path.join(scratch, name)
    engine = [*words, "--root", store, "--runroot", os.path.join(scratch, "r-" + name)]
    subprocess.run(engine + ["load", "-q", "-i", archive], check=True, stdout=subprocess.DEVNULL)
    measured(engine, [])
    before = disk(engine, store)
    first = measured(engine, KINDS[1][1])
    after = disk(engine, store)
    found = {kind: [] for kind, _ in KINDS}
    for _ in range(ROUNDS):
        for kind, words in KINDS:
            found[kind].append(measured(engine, words))
    plain, kept = (statistics.median(found[kind]) for kind, _ in KINDS)
    print(f"| {name} | {plain:.1f} ms | {first:.1f} ms | {kept:.1f} ms | {kept / plain:.2f} "
          f"| {first / plain:.2f} | {after - before} MB of {before} |", flush=True)
    subprocess.run(engine + ["unshare", "rm", "-rf", store], check=False)


def main():
    archive, programs = sys.argv[1], sys.argv[2:]
    print("| | plain | first keep-id | keep-id after | keep-id : plain | first : plain | disk |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR", "/var/tmp")) as scratch:
        for program in programs:
            report(program, archive, scratch)


if __name__ == "__main__":
    main()
