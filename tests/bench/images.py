# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The image rows of `run`: one image goes through its life with each tool in turn.

Each round begins with an empty store: a cold pull from a docker-registry on loopback, the same pull
again, save, commit of a large change, push of the new layer, rmi, load of the archive. Every step
is timed alone and begins with all that came before written to the disk. Beside the engines the
least that the work can be: per layer, and on all processors at once,
`curl | tee >(sha256sum) | gzip -dc | tee >(sha256sum) | tar x`.
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
    """What one tool does with the image, round after round."""

    def __init__(self, tool, registry, archive):
        self.tool, self.archive = tool, archive
        self.image = f"{registry.address}/{REPOSITORY}:1"
        self.target = f"{registry.address}/{REPOSITORY}"
        self.saved = os.path.join(tool.env["HOME"], "saved.tar")
        self.times = {step: [] for step, _ in ROWS}

    def timed(self, step, *arguments):
        os.sync()
        command = self.tool.command(*arguments)
        answer = self.tool.lane.ask(do="timed", commands=[command], env=self.tool.env)
        if answer["codes"] != [0]:
            # Once more, for its words.
            self.tool.do(*arguments)
        self.times[step].append(answer["ns"] / 1e6)

    def once(self, number):
        do, mark = self.tool.do, f"{self.tool.name.replace(' ', '-')}-{number}"
        self.timed("pull", "pull", "-q", PLAIN, self.image)
        self.timed("present", "pull", "-q", PLAIN, self.image)
        self.timed("save", "save", "-q", "-o", self.saved, self.image)
        os.remove(self.saved)
        do("run", "--name", "change", "--network", "none", self.image, "sh", "-c", CHANGE, mark)
        self.timed("commit", "commit", "-q", "change", "localhost/changed")
        do("rm", "change")
        self.timed("push", "push", "-q", PLAIN, "localhost/changed", f"{self.target}:{mark}")
        do("rmi", "localhost/changed")
        self.timed("rmi", "rmi", self.image)
        self.timed("load", "load", "-q", "-i", self.archive)
        self.empty()

    def empty(self):
        for command in (["rm", "-f", "-a", "-t", "0"], ["rmi", "-f", "-a"]):
            self.tool.do(*command, check=False)

    def peak_mb(self):
        """Of one more pull, whose time does not count: to look at it holds it up."""
        peaks = peaks_kib(self.tool.lane.user,
                          lambda: self.tool.do("pull", "-q", PLAIN, self.image))
        self.empty()
        return sum(peaks.values()) / 1024


class Shell:
    """The same blobs through the programs that everybody has."""

    def __init__(self, tool, registry):
        self.tool, self.urls, self.times = tool, registry.layers, {"pull": []}

    def once(self, _number):
        place = os.path.join(self.tool.env["HOME"], "unpacked")
        self.tool.lane.ask(do="captured", argv=["mkdir", place], env=self.tool.env)
        os.sync()
        answer = self.tool.lane.ask(do="timed", env=self.tool.env,
                                    commands=[self.tool.command(SHELL, "bench", place, *self.urls)])
        if answer["codes"] != [0]:
            raise OSError(f"{SHELL_NAME}: exit code {answer['codes'][0]}")
        self.times["pull"].append(answer["ns"] / 1e6)
        shutil.rmtree(place)


def measure(tools, rounds, cache):
    """Runs all lives; returns title, unit and results by tool, row after row."""
    for program in ("docker-registry", "curl"):
        if not shutil.which(program):
            tools.skip(f"images: {program} is not here")
            return []
    place = cache or os.path.join(tools.scratch, "image")
    make_image.make(place)
    registry = Registry(tools.scratch, os.path.join(place, "layout"))
    engines = [Life(tools.fresh(tool), registry, os.path.join(place, "image.tar"))
               for tool in tools.engines()]
    bash = tools.fresh(tools.coracle, SHELL_NAME, ["bash", "-c"])
    lives = engines + [Shell(bash, registry)]
    try:
        for number in range(rounds):
            for life in lives:
                life.once(number)
        peaks = {life.tool.name: (life.peak_mb(),) for life in engines}
    finally:
        for life in engines:
            life.empty()
        registry.end()
    rows = []
    for step, title in ROWS:
        times = {life.tool.name: life.times.get(step) for life in lives}
        rows.append((title, "ms", {name: (statistics.median(values), min(values))
                                   for name, values in times.items() if values}))
    return rows + [(MEMORY, "MB", peaks)]
