# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs and times commands for `run`, which started it as one user in one view of the machine.

Reads one JSON request a line from stdin and answers with one JSON line on stdout. It measures
and knows nothing of what is measured. Programs are started by posix_spawn (vfork underneath), so
that the size of this process is on nobody's bill.
"""

import json
import os
import resource
import sys
import time

NULL = os.open("/dev/null", os.O_RDWR)


def spawn(argv, env, stdout=NULL, stderr=NULL):
    actions = [
        (os.POSIX_SPAWN_DUP2, NULL, 0),
        (os.POSIX_SPAWN_DUP2, stdout, 1),
        (os.POSIX_SPAWN_DUP2, stderr, 2),
    ]
    return os.posix_spawnp(argv[0], argv, env, file_actions=actions)


def wait(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def timed(commands, env):
    """Nanoseconds of all commands one after the other, also of processors, and the exit codes."""
    codes, before = [], processor_ns()
    start = time.perf_counter_ns()
    for argv in commands:
        codes.append(wait(spawn(argv, env)))
    spent = time.perf_counter_ns() - start
    return {"ns": spent, "cpu_ns": processor_ns() - before, "codes": codes}


def processor_ns():
    """What all processes that were waited for have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((usage.ru_utime + usage.ru_stime) * 1e9)


def captured(argv, env):
    """Exit code and output; both streams go to files, since a background process may keep them."""
    with open("out", "wb+") as out, open("err", "wb+") as err:
        code = wait(spawn(argv, env, out.fileno(), err.fileno()))
        out.seek(0)
        err.seek(0)
        text = [stream.read().decode("utf-8", "replace").strip() for stream in (out, err)]
    return {"code": code, "out": text[0], "err": text[1]}


def rate(argv, env, loops, total):
    """Nanoseconds for `total` runs of a command, `loops` of them at any time."""
    start = time.perf_counter_ns()
    running = {spawn(argv, env) for _ in range(loops)}
    started, bad = loops, 0
    while running:
        pid, status = os.waitpid(-1, 0)
        running.discard(pid)
        bad += status != 0
        if started < total:
            running.add(spawn(argv, env))
            started += 1
    return {"ns": time.perf_counter_ns() - start, "bad": bad}


def main():
    answers = {"timed": timed, "captured": captured, "rate": rate}
    for line in sys.stdin:
        request = json.loads(line)
        answer = answers[request.pop("do")](**request)
        print(json.dumps(answer), flush=True)


main()
