# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The rows of a store with many things in it, for `run`: how long the commands take that look at
all of them. Each engine is filled with as many containers that ran and ended, a tenth as many that
run, and as many volumes; what takes an engine too long to make may be fewer, and is said."""

import time

ROWS = [
    ("`ps -a`", ["ps", "-a"]),
    ("`inspect` of one container", ["inspect", "many7"]),
    ("`volume ls`", ["volume", "ls"]),
    ("`system df`", ["system", "df"]),
]


def fill(tool, count, image):
    """Makes them; how many seconds that took."""
    began = time.monotonic()
    for number in range(count):
        tool.do("run", "--name", f"many{number}", "--network", "none", image, "true")
        tool.do("volume", "create", f"many{number}")
    for number in range(count // 10):
        tool.do("run", "-d", "--name", f"runs{number}", "--network", "none", image, "sleep", "100000")
    return time.monotonic() - began


def empty(tool):
    tool.do("rm", "-f", "-a", "-t", "0", check=False)
    tool.do("volume", "prune", "-f", *([] if tool.name.startswith("podman") else ["-a"]), check=False)


def measure(tools, rounds, only, counts, image, in_turn, simple):
    """Yields (title, unit, result); `counts` are those of coracle and of its peers."""
    engines = tools.engines()
    count_of = {tool.name: counts[tool is not tools.coracle] for tool in engines}
    try:
        for tool in engines:
            seconds = fill(tool, count_of[tool.name], image)
            each = count_of[tool.name]
            print(f"filled {tool.name} with {each} containers, {each // 10} that run, {each} volumes: "
                  f"{seconds:.0f} s\n", flush=True)
        ours, theirs = counts
        fewer = "" if ours == theirs else f" (podman: {theirs} and {theirs // 10}, {theirs})"
        for title, command in ROWS:
            if only in title:
                result = in_turn([simple(tool, *command) for tool in engines], rounds)
                yield f"{title}, {ours} ended and {ours // 10} running containers, {ours} volumes{fewer}", "ms", result
    finally:
        for tool in engines:
            empty(tool)
