# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The rows of a store with many things in it, for `run`: how long the commands take that look at
all of them. Each engine is filled with as many containers that ran and ended, a tenth as many that
run, and as many volumes, or as many of these as podman has locks for."""

import time

ROWS = [
    ("`ps -a`", ["ps", "-a"]),
    ("`inspect` of one container", ["inspect", "many7"]),
    ("`volume ls`", ["volume", "ls"]),
    ("`system df`", ["system", "df"]),
]


# What podman has by default, one for each container and each volume.
LOCKS = 2048


class Counts:
    """How many things of each kind an engine gets."""

    def __init__(self, tool, ended):
        self.ended, self.running = ended, ended // 10
        self.volumes = ended
        if tool.name.startswith("podman"):
            self.volumes = max(min(ended, LOCKS - self.ended - self.running - 48), 0)

    def __str__(self):
        return f"{self.ended} ended and {self.running} running containers, {self.volumes} volumes"


def fill(tool, count, image):
    """Makes them; how many seconds that took."""
    began = time.monotonic()
    for number in range(count.volumes):
        tool.do("volume", "create", f"many{number}")
    for number in range(count.ended):
        tool.do("run", "--name", f"many{number}", "--network", "none", image, "true")
    for number in range(count.running):
        tool.do("run", "-d", "--name", f"runs{number}", "--network", "none", image, "sleep", "100000")
    return time.monotonic() - began


def empty(tool):
    tool.do("rm", "-f", "-a", "-t", "0", check=False)
    tool.do("volume", "prune", "-f", *([] if tool.name.startswith("podman") else ["-a"]), check=False)


def measure(tools, rounds, only, ended, image, in_turn, simple):
    """Yields (title, unit, result); `ended` of the containers have ended."""
    engines = tools.engines()
    try:
        for tool in engines:
            count = Counts(tool, ended)
            seconds = fill(tool, count, image)
            print(f"filled {tool.name} with {count}: {seconds:.0f} s\n", flush=True)
        for title, command in ROWS:
            if only in title:
                yield title, "ms", in_turn([simple(tool, *command) for tool in engines], rounds)
    finally:
        for tool in engines:
            empty(tool)
