# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The image rows of `run`: one image goes through its life with each tool in turn.

Each round begins with a new store: a cold pull from a docker-registry on loopback, the same pull
again, save, commit of a large change, push of the new layer; then, in other new stores, load of the
archive; at the end of all rounds rmi. Every step is timed alone and begins with all that came
before written to the disk, and with the registry's data, or the archive, in the page cache. Beside the engines the least that the work can be: per layer, and on all
processors at once, `curl | tee >(sha256sum) | gzip -dc | tee >(sha256sum) | tar x`.

BENCH_CLOCK=cpu_ns measures the processors' time of each command in place of the clock's: on a
machine that does other things too it says more.
"""

import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import time

import make_image
from processes import peaks_kib

# What of an answer is taken: see lane.py.
CLOCK = os.environ.get("BENCH_CLOCK", "ns")
PLAIN = "--tls-verify=false"
REPOSITORY = "bench/image"
SHELL_NAME = "curl, gzip, tar"
# The new files of the commit: a fifth of the image again, in a layer that no registry has.
CHANGE = 'cp -a /data1 /change && echo "$0" >/change/round'

SHELL = r"""
set -eu -o pipefail
cd "$1"; shift
one() {
    mkdir "$2"
    curl -sf "$1" | tee >(sha256sum >"$2.blob") | gzip -dc | tee >(sha256sum >"$2.diff") |
        tar x -C "$2"
}
export -f one
number=0
for url in "$@"; do number=$((number + 1)); echo "$url" "$number"; done |
    xargs -P "$(nproc)" -n 2 bash -c 'set -eu -o pipefail; one "$0" "$1"'
"""

ROWS = [
    ("pull", "cold `pull`: 6 layers, 350 MB, unpacked 1.1 GB and 36,000 files"),
    ("present", "`pull` of an image that is here"),
    ("save", "`save` of it"),
    ("commit", "`commit` of 240 MB in 7,900 new files"),
    ("push", "`push` of that layer"),
    ("rmi", "`rmi` of the image"),
    ("load", "`load` of it, as `docker save` writes it"),
]
MEMORY = "sum of the peak Pss of all processes of the cold `pull`"


class Registry:
    """A docker-registry on loopback with the image in it, and in the page cache."""

    def __init__(self, scratch, layout):
        self.address = f"127.0.0.1:{free_port()}"
        directory = os.path.join(scratch, "registry")
        os.makedirs(directory)
        config = os.path.join(directory, "config.yml")
        with open(config, "w") as file:
            file.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
                       f"http: {{addr: '{self.address}'}}\n"
                       f"storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n")
        with open(os.path.join(directory, "log"), "w") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", config],
                                            stdout=log, stderr=log)
        self.wait()
        self.layers = self.put_image(layout)

    def wait(self):
        for _ in range(500):
            try:
                return socket.create_connection(self.address.split(":")).close()
            except OSError:
                time.sleep(0.02)
        raise OSError("docker-registry does not listen")

    def call(self, method, path, expected, body=None, headers=None):
        connection = http.client.HTTPConnection(self.address)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        answer.read()
        if answer.status != expected:
            raise OSError(f"docker-registry: {method} {path}: {answer.status}")
        return answer

    def put_image(self, layout):
        """Uploads it; returns the URLs of its layers."""
        def document(name):
            with open(os.path.join(layout, name), "rb") as file:
                return file.read()

        def blob(digest):
            return "blobs/" + digest.replace(":", "/")

        top = json.loads(document("index.json"))["manifests"][0]
        manifest = json.loads(document(blob(top["digest"])))
        for part in [manifest["config"]] + manifest["layers"]:
            self.put_blob(os.path.join(layout, blob(part["digest"])), part)
        self.call("PUT", f"/v2/{REPOSITORY}/manifests/1", 201, document(blob(top["digest"])),
                  {"Content-Type": top["mediaType"]})
        base = f"http://{self.address}/v2/{REPOSITORY}/blobs"
        return [f"{base}/{layer['digest']}" for layer in manifest["layers"]]

    def put_blob(self, path, part):
        begun = self.call("POST", f"/v2/{REPOSITORY}/blobs/uploads/", 202)
        place = begun.getheader("Location").split(self.address, 1)[-1]
        with open(path, "rb") as file:
            self.call("PUT", f"{place}&digest={part['digest']}", 201, file,
                      {"Content-Length": str(part["size"]),
                       "Content-Type": "application/octet-stream"})

    def end(self):
        self.process.terminate()
        self.process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Life:
    """What one tool does with the image in a store that never held anything."""

    def __init__(self, tool, registry, archive, number):
        self.tool, self.archive = tool, archive
        self.image = f"{registry.address}/{REPOSITORY}:1"
        self.mark = f"{tool.name.replace(' ', '-')}-{number}"
        self.target = f"{registry.address}/{REPOSITORY}:{self.mark}"

    def do(self, *arguments):
        self.tool.do(*arguments)

    def timed(self, *arguments):
        return timed(self.tool, self.tool.command(*arguments))

    def grow(self):
        """All but the end; returns the figure of each step."""
        saved = os.path.join(self.tool.env["HOME"], "saved.tar")
        spent = {
            "pull": self.timed("pull", "-q", PLAIN, self.image),
            "present": self.timed("pull", "-q", PLAIN, self.image),
            "save": self.timed("save", "-q", "-o", saved, self.image),
        }
        os.remove(saved)
        self.do("run", "--name", "change", "--network", "none", self.image, "sh", "-c", CHANGE,
                self.mark)
        spent["commit"] = self.timed("commit", "-q", "change", "localhost/changed")
        spent["push"] = self.timed("push", "-q", PLAIN, "localhost/changed", self.target)
        return spent

    def load(self):
        read(self.archive)
        return {"load": self.timed("load", "-q", "-i", self.archive)}

    def end(self):
        self.do("rm", "change")
        self.do("rmi", "localhost/changed")
        return {"rmi": self.timed("rmi", self.image)}

    def peak_mb(self):
        """Of a pull whose time does not count: to look at it holds it up."""
        peaks = peaks_kib(self.tool.lane.user, lambda: self.do("pull", "-q", PLAIN, self.image))
        return sum(peaks.values()) / 1024

    def empty(self):
        commands = [["rm", "-f", "-a", "-t", "0"], ["rmi", "-f", "-a"]]
        if self.tool.name.startswith("podman"):
            # Ends the process that it keeps between commands.
            commands.append(["system", "migrate"])
        for command in commands:
            self.tool.do(*command, check=False)


def read(path):
    """Or whoever comes first would read it from the disk for all others."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def timed(tool, command):
    """Milliseconds, by the clock or of all processors."""
    os.sync()
    answer = tool.lane.ask(do="timed", commands=[command], env=tool.env)
    if answer["codes"] != [0]:
        # Once more, for its words.
        tool.lane.ask(do="captured", argv=command, env=tool.env)
        raise OSError(f"{tool.name}: {' '.join(command[:9])}: exit code {answer['codes'][0]}")
    return answer[CLOCK] / 1e6


class Shell:
    """The same blobs through the programs that everybody has."""

    def __init__(self, tool, registry):
        self.tool, self.urls = tool, registry.layers

    def grow(self):
        place = os.path.join(self.tool.env["HOME"], "unpacked")
        self.tool.lane.ask(do="captured", argv=["mkdir", place], env=self.tool.env)
        return {"pull": timed(self.tool, self.tool.command(SHELL, "bench", place, *self.urls))}


def lives(tools, registry, archive, rounds):
    """Figures by step and tool. Nothing is removed before all has been made: ext4 without a journal
    is slow to make files for minutes after others were removed."""
    figures, ended = {step: {} for step, _ in ROWS}, []

    def note(tool, spent):
        for step, value in spent.items():
            figures[step].setdefault(tool.name, []).append(value)

    try:
        for number in range(rounds):
            for engine in tools.engines():
                life = Life(tools.fresh(engine, f"grow{number}"), registry, archive, number)
                ended.append(life)
                note(life.tool, life.grow())
            shell = tools.fresh(tools.coracle, f"shell{number}", SHELL_NAME, ["bash", "-c"])
            note(shell, Shell(shell, registry).grow())
        for number in range(rounds):
            for engine in tools.engines():
                life = Life(tools.fresh(engine, f"load{number}"), registry, archive, number)
                ended.append(life)
                note(life.tool, life.load())
        peaks = {}
        for engine in tools.engines():
            life = Life(tools.fresh(engine, "peak"), registry, archive, "peak")
            ended.append(life)
            peaks[engine.name] = (life.peak_mb(),)
        for life in ended[: rounds * len(tools.engines())]:
            note(life.tool, life.end())
    finally:
        for life in ended:
            life.empty()
    return figures, peaks


def measure(tools, rounds, cache):
    """Title, unit and results by tool of each row."""
    for program in ("docker-registry", "curl"):
        if not shutil.which(program):
            tools.skip(f"images: {program} is not here")
            return []
    place = cache or os.path.join(tools.scratch, "image")
    make_image.make(place)
    registry = Registry(tools.scratch, os.path.join(place, "layout"))
    try:
        archive = os.path.join(place, "image.tar")
        figures, peaks = lives(tools, registry, archive, rounds)
    finally:
        registry.end()
    rows = []
    for step, title in ROWS:
        rows.append((title, "ms", {name: (statistics.median(values), min(values))
                                   for name, values in figures[step].items()}))
    return rows + [(MEMORY, "MB", peaks)]
