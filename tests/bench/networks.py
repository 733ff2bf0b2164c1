# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The network rows of `run`: the same traffic through coracle and through its peers, in turn.

Only for root, who makes a network namespace that stands for the rest of the world (10.55.0.2,
a veth pair away) and sends from inside the containers' namespaces by nsenter. Needs iperf3 and a C
compiler for load.c. Outbound traffic of coracle's own bridges is set beside slirp4netns and pasta,
which coracle starts for one container each with podman's options; published ports and names beside
podman, with what it starts. PEER_NET names a directory with a newer slirp4netns and pasta.

What a row says of processors and memory is the sum of all processes that the network adds: the
helper, slirp4netns, pasta, rootlessport, aardvark-dns; not the containers' monitors.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass, field

from processes import processes, proportional_kib

HERE = os.path.dirname(os.path.abspath(__file__))
WORLD, OURS, THEIRS = "coracle-bench", "10.55.0.1", "10.55.0.2"
IPERF, ECHO = 5201, 5202
SECONDS = float(os.environ.get("BENCH_NET_SECONDS", "2"))
# Beside each container of any network; on nobody's bill here.
MONITORS = ("coracle-monitor", "conmon", "podman", "podman pause", "catatonit", "sleep", "crun")
TICKS = os.sysconf("SC_CLK_TCK")


def checked(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout


def in_world(*argv):
    return ["ip", "netns", "exec", WORLD, *map(str, argv)]


@dataclass
class Way:
    """One way of a container to the world."""

    name: str
    tool: object
    network: list
    pid: str = ""
    helpers: list = field(default_factory=list)

    @property
    def container(self):
        return "net-" + "".join(filter(str.isalnum, self.name))

    def start(self, *arguments, image):
        before = set(processes(self.tool.lane.user))
        self.tool.do("run", "-d", "--name", self.container, *self.network, *arguments, image,
                     "sleep", "100000")
        self.pid = self.tool.do("inspect", "--format", "{{.State.Pid}}", self.container)
        time.sleep(0.3)
        added = [pid for pid in processes(self.tool.lane.user) if pid not in before]
        self.helpers = [pid for pid in added if name_of(pid) not in MONITORS]

    def end(self):
        self.tool.do("rm", "-f", "-t", "0", self.container, check=False)

    def inside(self, *argv):
        return ["nsenter", "-t", self.pid, "-n", *map(str, argv)]

    def processor_seconds(self):
        return sum(map(processor_ticks, self.helpers)) / TICKS

    def memory_mb(self):
        return sum(map(proportional_kib, self.helpers)) / 1024


def name_of(pid):
    try:
        return open(f"/proc/{pid}/comm").read().strip()
    except OSError:
        return ""


def processor_ticks(pid):
    try:
        words = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return int(words[11]) + int(words[12])


class World:
    """The namespace beyond the host, with servers in it."""

    def __init__(self, scratch):
        self.load = os.path.join(scratch, "load")
        checked("cc", "-O2", "-o", self.load, os.path.join(HERE, "load.c"))
        subprocess.run(["ip", "netns", "del", WORLD], capture_output=True, check=False)
        checked("ip", "netns", "add", WORLD)
        checked("ip", "link", "add", "cbench0", "type", "veth", "peer", "name", "cbench1",
                "netns", WORLD)
        checked("ip", "address", "add", f"{OURS}/24", "dev", "cbench0")
        checked("ip", "link", "set", "cbench0", "up")
        for words in (["address", "add", f"{THEIRS}/24", "dev", "cbench1"],
                      ["link", "set", "cbench1", "up"], ["link", "set", "lo", "up"]):
            checked(*in_world("ip", *words))
        self.children, self.addresses = [], 2
        self.serve(in_world)

    def another_address(self):
        """Closed connections keep their ports for a minute, and to one address there are 28,000."""
        self.addresses += 1
        address = f"10.55.0.{self.addresses}"
        checked(*in_world("ip", "address", "add", f"{address}/24", "dev", "cbench1"))
        return address

    def serve(self, inside):
        for argv in (["iperf3", "-s", "-p", IPERF], [self.load, "serve", ECHO]):
            self.children.append(subprocess.Popen(
                inside(*argv), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(0.3)

    def forget(self, kept):
        for child in self.children[kept:]:
            child.kill()
            child.wait()
        del self.children[kept:]

    def close(self):
        self.forget(0)
        subprocess.run(["ip", "netns", "del", WORLD], capture_output=True, check=False)


def iperf(argv_of, address, port, *options):
    """Bits per second that arrived; one failure of the server, which takes one at a time, is
    waited out."""
    argv = argv_of("iperf3", "-c", address, "-p", port, "-t", SECONDS, "-J", *options)
    for _ in range(3):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        with contextlib.suppress(ValueError, KeyError):
            end = json.loads(done.stdout)["end"]
            if "-u" in options:
                return end["sum"]["bits_per_second"] * (1 - end["sum"]["lost_percent"] / 100)
            return end["sum_received"]["bits_per_second"]
        time.sleep(1)
    raise OSError(f"{' '.join(argv)}: {done.stdout[-300:]} {done.stderr[-300:]}")


def loaded(argv, **options):
    return json.loads(checked(*argv, **options))


def middle(values):
    return (statistics.median(values), min(values))


class Networks:
    """The rows; each is a function of its own, so that each can be run alone."""

    def __init__(self, tools, rounds, image, failure):
        self.tools, self.rounds, self.image, self.failure = tools, rounds, image, failure
        self.world = World(tools.scratch)

    # ---- who takes part -------------------------------------------------------------------

    def uplinks(self):
        """coracle's bridges, and the programs that others use, oldest first."""
        tool, ways = self.tools.coracle, [Way("coracle", self.tools.coracle, ["--network", "bridge"])]
        newer = os.environ.get("PEER_NET")
        for place in filter(None, ["/usr/bin", newer]):
            for program in ("slirp4netns", "pasta"):
                path = os.path.join(place, program)
                if not os.path.exists(path):
                    self.tools.skip(f"{path} is not there")
                    continue
                env = dict(tool.env, PATH=f"{place}:{tool.env['PATH']}")
                named = type(tool)(f"{program} {version(path)}", tool.lane, tool.program, env)
                ways.append(Way(named.name, named, ["--network", program]))
        return ways

    def engines(self, *network):
        return [Way(tool.name, tool, list(network)) for tool in self.tools.engines()]

    def each(self, ways, measure, *arguments, ports=None):
        """Rounds in turn over containers that stand; a way that fails is out, and told."""
        standing, results = [], {}
        time.sleep(1.5)  # The helper of the row before has ended, and is on no bill here.
        try:
            for number, way in enumerate(ways):
                publish = [word for inner in (ports or [])
                           for word in ("-p", f"{self.port(number, inner)}:{inner}")]
                way.number = number
                try:
                    way.start(*arguments, *publish, image=self.image)
                    standing.append(way)
                except self.failure as failure:
                    self.tools.skip(f"{way.name}: {failure}")
            for _ in range(self.rounds):
                for way in list(standing):
                    try:
                        for key, value in measure(way).items():
                            results.setdefault(key, {}).setdefault(way.name, []).append(value)
                    except (OSError, subprocess.SubprocessError, KeyError) as failure:
                        self.tools.skip(f"{way.name}: {failure}")
                        standing.remove(way)
        finally:
            for way in ways:
                way.end()
        return {key: {name: middle(values) for name, values in found.items()}
                for key, found in results.items()}

    @staticmethod
    def port(number, inner):
        return 42000 + 100 * number + inner % 100

    # ---- the rows -------------------------------------------------------------------------

    def outbound(self):
        def measure(way):
            before = way.processor_seconds()
            out = iperf(way.inside, THEIRS, IPERF)
            spent = way.processor_seconds() - before
            back = iperf(way.inside, THEIRS, IPERF, "-R")
            return {"out": out / 1e9, "back": back / 1e9, "cpu": spent / (out * SECONDS / 8e9)}

        found = self.each(self.uplinks(), measure)
        return [("TCP from a container to another host", "Gbit/s", found.get("out", {})),
                ("processor time of that, per GB", "s", found.get("cpu", {})),
                ("TCP from another host, the container having connected", "Gbit/s",
                 found.get("back", {}))]

    def datagrams(self):
        def measure(way):
            return {"udp": iperf(way.inside, THEIRS, IPERF, "-u", "-b", "0", "-l", "1400") / 1e9}

        found = self.each(self.uplinks(), measure)
        return [("UDP from a container, 1400 bytes each, what arrives", "Gbit/s",
                 found.get("udp", {}))]

    def published(self):
        """And the same with a server of the host itself, which nothing stands before."""
        served = {}

        def load(to, echo):
            argv = in_world(self.world.load, "connections", OURS, echo, SECONDS)
            one, many = loaded(argv + ["1"]), loaded(argv + ["16"])
            if one["failed"] + many["failed"] > many["rate"]:
                raise OSError(f"{many['failed']} connections failed")
            return {"tcp": iperf(in_world, OURS, to) / 1e9, "latency": one["median_us"] / 1000,
                    "rate": many["rate"]}

        def measure(way):
            if way.name not in served:
                self.world.serve(way.inside)
                served[way.name] = True
            return load(self.port(way.number, IPERF), self.port(way.number, ECHO))

        kept = len(self.world.children)
        try:
            found = self.each(self.engines(), measure, ports=[IPERF, ECHO])
            self.world.serve(lambda *argv: list(map(str, argv)))
            plain = [load(IPERF, ECHO) for _ in range(self.rounds)]
        finally:
            self.world.forget(kept)
        for key, values in found.items():
            values["veth"] = middle([each[key] for each in plain])
        return [("TCP from another host to a published port (veth: to a server of the host)",
                 "Gbit/s", found.get("tcp", {})),
                ("new connections to it, 16 at once", "/s", found.get("rate", {})),
                ("one new connection, an answer included", "ms", found.get("latency", {}))]

    def between(self):
        """Two containers of one network, and two namespaces with a pair of plain interfaces."""
        names = ["coracle-bench-a", "coracle-bench-b"]
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
            checked("ip", "netns", "add", name)
        checked("ip", "link", "add", "va", "mtu", "65520", "netns", names[0], "type", "veth",
                "peer", "name", "vb", "mtu", "65520", "netns", names[1])
        for number, (name, link) in enumerate(zip(names, ("va", "vb"))):
            checked("ip", "-n", name, "address", "add", f"10.56.0.{number + 1}/24", "dev", link)
            checked("ip", "-n", name, "link", "set", link, "up")
        kept = len(self.world.children)
        servers = [Way(f"{tool.name} server", tool, ["--network", "bench-pair"])
                   for tool in self.tools.engines()]
        addresses = {}
        try:
            self.world.serve(lambda *argv: ["ip", "netns", "exec", names[1], *map(str, argv)])
            for way in servers:
                way.tool.do("network", "create", "bench-pair")
                way.start(image=self.image)
                shown = checked(*way.inside("ip", "-j", "-4", "address", "show", "eth0"))
                addresses[way.tool.name] = json.loads(shown)[0]["addr_info"][0]["local"]
                self.world.serve(way.inside)

            def measure(way):
                return {"tcp": iperf(way.inside, addresses[way.tool.name], IPERF) / 1e9}

            found = self.each(self.engines("--network", "bench-pair"), measure).get("tcp", {})
            plain = [iperf(lambda *argv: ["ip", "netns", "exec", names[0], *map(str, argv)],
                           "10.56.0.2", IPERF) / 1e9 for _ in range(self.rounds)]
        finally:
            self.world.forget(kept)
            for way in servers:
                way.end()
                way.tool.do("network", "rm", "-f", "bench-pair", check=False)
            for name in names:
                subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
        found["veth"] = middle(plain)
        return [("TCP between two containers of a network (veth: two namespaces)", "Gbit/s", found)]

    def many(self):
        def measure(way):
            argv = way.inside(self.world.load, "hold", self.world.another_address(), ECHO, 8000)
            with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True) as child:
                stand = json.loads(child.stdout.readline())["stand"]
                memory = way.memory_mb()
                child.stdin.close()
            time.sleep(0.5)
            if stand < 8000:
                raise OSError(f"{stand} of 8,000 connections stand")
            return {"memory": memory}

        found = self.each(self.uplinks(), measure)
        return [("memory with 8,000 connections open", "MB", found.get("memory", {}))]

    def idle(self):
        def measure(way):
            time.sleep(3)
            return {"memory": way.memory_mb()}

        found = self.each(self.uplinks(), measure)
        return [("memory when nothing is sent", "MB", found.get("memory", {}))]

    def starting(self):
        """What `run` costs with and without a network, the helper being there or not."""
        tool, times = self.tools.coracle, {}
        names = {"none": "", "bridge": "the default network", "bench-cost": "a named network"}

        def once(network):
            argv = tool.command("run", "--rm", "--network", network, self.image, "true")
            answer = tool.lane.ask(do="timed", commands=[argv], env=tool.env)
            if answer["codes"] != [0]:
                raise self.failure(f"run --network {network}: {answer['codes']}")
            return answer["ns"] / 1e6

        beside = ["run", "-d", "--name", "beside", "--network"]
        tool.do("network", "create", "bench-cost")
        try:
            for kind, with_ in (("up", "bridge"), ("started", "none")):
                tool.do(*beside, with_, self.image, "sleep", "100000")
                time.sleep(1.5)
                for number in range(3 * self.rounds + 1):
                    for network in names:
                        if kind == "started" and network != "none":
                            time.sleep(1.3)  # The last helper has ended.
                        taken = once(network)
                        if number:
                            times.setdefault((kind, network), []).append(taken)
                tool.do("rm", "-f", "-t", "0", "beside")
        finally:
            tool.do("rm", "-f", "-t", "0", "beside", check=False)
            tool.do("network", "rm", "-f", "bench-cost", check=False)
        base = {kind: statistics.median(times[kind, "none"]) for kind in ("up", "started")}
        rows = [("`run --rm --network none … true`, another container running", base["up"])]
        for kind, words in (("up", "the helper being there"),
                            ("started", "when the helper must be started")):
            for network in ("bridge", "bench-cost"):
                added = statistics.median(times[kind, network]) - base[kind]
                rows.append((f"what {names[network]} adds to that, {words}", added))
        return [(title, "ms", {"coracle": (value, value)}) for title, value in rows]

    def named(self):
        engines, times = self.tools.engines(), {}
        for tool in engines:
            tool.do("network", "create", "bench-named")
        try:
            for number in range(2 * self.rounds + 1):
                for tool in engines:
                    argv = tool.command("run", "--rm", "--network", "bench-named", self.image, "true")
                    answer = tool.lane.ask(do="timed", commands=[argv], env=tool.env)
                    if answer["codes"] != [0]:
                        raise self.failure(f"{tool.name}: run in a named network failed")
                    if number:
                        times.setdefault(tool.name, []).append(answer["ns"] / 1e6)
        finally:
            for tool in engines:
                tool.do("network", "rm", "-f", "bench-named", check=False)
        found = {name: middle(values) for name, values in times.items()}
        return [("`run --rm --network NAME … true`", "ms", found)]

    def names(self):
        def measure(way):
            routes = json.loads(checked(*way.inside("ip", "-j", "-4", "route")))
            gateway = next(route["gateway"] for route in routes if "gateway" in route)
            before = way.processor_seconds()
            said = loaded(way.inside(self.world.load, "names", gateway, way.container, SECONDS))
            spent = way.processor_seconds() - before
            if said["bad"] > said["answered"] or spent == 0:
                raise OSError(f"names: {said}")
            return {"names": said["answered"] / spent}

        for tool in self.tools.engines():
            tool.do("network", "create", "bench-names")
        try:
            found = self.each(self.engines("--network", "bench-names"), measure)
        finally:
            for tool in self.tools.engines():
                tool.do("network", "rm", "-f", "bench-names", check=False)
        return [("answers to names, per second of one processor", "/s", found.get("names", {}))]


def version(program):
    text = subprocess.run([program, "--version"], capture_output=True, text=True,
                          check=False).stdout
    words = text.split("\n", maxsplit=1)[0].split()
    found = next((word for word in words if word[0].isdigit()), "Debian's").split("-")[0]
    return found.removeprefix("0.0~git").split(".")[0] if "~git" in found else found


ROWS = ("outbound", "datagrams", "published", "between", "many", "idle", "starting", "named",
        "names")


def measure(tools, rounds, only, image, failure):
    """Yields (title, unit, results by name) as they are measured."""
    for program in ("iperf3", "cc", "ip", "nsenter"):
        if not shutil.which(program):
            return tools.skip(f"networks: {program} is not installed")
    if os.getuid() != 0:
        return tools.skip("networks: only root can stand for the rest of the world")
    networks = Networks(tools, rounds, image, failure)
    try:
        for row in ROWS:
            if only and only not in row:
                continue
            try:
                yield from getattr(networks, row)()
            except (OSError, subprocess.SubprocessError, failure) as reason:
                tools.skip(f"networks, {row}: {reason}")
    finally:
        networks.world.close()
    return None


def columns(tools):
    """Everybody who appears in a row."""
    names = ["coracle"]
    for place in filter(None, ["/usr/bin", os.environ.get("PEER_NET")]):
        for program in ("slirp4netns", "pasta"):
            path = os.path.join(place, program)
            if os.path.exists(path):
                names.append(f"{program} {version(path)}")
    return names + [tool.name for tool in tools.engines()[1:]] + ["veth"]
