# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The processes of a user, and what memory they hold: read from /proc, for `run` and `images`."""

import os
import pwd
import threading

INTERVAL = 0.02


def processes(user):
    """Processes of the user on the host's side: in this pid namespace, not in a container's."""
    ours, uid = os.readlink("/proc/self/ns/pid"), pwd.getpwnam(user).pw_uid
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{pid}").st_uid in (uid, 0) and belongs(pid, uid) \
                    and os.readlink(f"/proc/{pid}/ns/pid") == ours:
                yield pid
        except OSError:
            continue


def belongs(pid, uid):
    """By the real uid: the owner of /proc/PID is root's for a process that is not dumpable."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("Uid:"):
            return int(line.split()[1]) == uid
    return False


def proportional_kib(pid):
    """Nothing for a process that has ended and waits to be reaped."""
    try:
        lines = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss:", "SwapPss:")))


def peaks_kib(user, action):
    """The largest Pss of each process of the user that began during the action, by pid."""
    before, peaks, over = set(processes(user)), {}, threading.Event()

    def sample():
        while not over.wait(INTERVAL):
            for pid in processes(user):
                if pid not in before:
                    peaks[pid] = max(peaks.get(pid, 0), proportional_kib(pid))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        action()
    finally:
        over.set()
        sampler.join()
    return peaks
