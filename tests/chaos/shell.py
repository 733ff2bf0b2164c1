# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One of the shells of `tests/chaos/run`: its wishes, and what it knows to be in the store."""

import collections
import os
import random

from siblings import sibling

crash = sibling("crash")


class Shell:
    """One person at a terminal: what it owns, and what the store has acknowledged of it.

    `owned[kind][name]` is the set of tokens that may be the content; None among them stands for
    "it may be absent". What must not be there is not in it."""

    def __init__(self, chaos, number, seed):
        self.chaos, self.number = chaos, number
        self.random = random.Random(seed * 1000 + number)
        self.rounds, self.tokens = 0, 0
        self.owned = {kind: {} for kind in ("container", "image", "volume", "pod", "secret")}
        # What a killed command may still do: its work goes on in children and in monitors, until
        # the machine is restarted.
        self.pending = collections.defaultdict(set)

    def work(self, until):
        while self.rounds < until and len(self.chaos.wrong) < 20:
            self.rounds += 1
            wish = self.random.choices(WISHES, WEIGHTS)[0]
            wish(self)
            if self.random.random() < 0.1:
                self.look(*self.random.choice([(kind, name) for kind in self.owned for name in self.owned[kind]]
                                              or [(None, None)]))

    def do(self, *words):
        """Runs a command that may be killed; whether it was acknowledged."""
        dies = self.random.random() < 0.15
        moment = min(2.0, self.random.expovariate(20))
        group = self.random.random() < 0.5
        ended = self.chaos.call(*words, kill_after=moment if dies else None, kill_group=group)
        self.chaos.judge(words, ended)
        return ended

    def name(self, kind, made=True):
        """One of this shell's names; of those that exist, if there are any."""
        known = sorted(self.owned[kind])
        if made and known and self.random.random() < 0.9:
            return self.random.choice(known)
        return f"{kind[0]}{self.number}-{self.random.randrange(3)}"

    def token(self):
        self.tokens += 1
        return f"t{self.number}-{self.tokens}"

    def set(self, kind, name, ended, tokens):
        """After a command that makes `name` with one of `tokens`."""
        if ended.returncode == 0:
            self.owned[kind][name] = set(tokens)
        else:
            self.pending[kind, name] |= set(tokens)
            self.owned[kind][name] = self.owned[kind].get(name, {None}) | set(tokens)

    def gone(self, kind, name, ended):
        if name not in self.owned[kind]:
            return
        if ended.returncode == 0:
            del self.owned[kind][name]
        else:
            self.pending[kind, name].add(None)
            self.owned[kind][name] = self.owned[kind][name] | {None}

    # What a shell may wish

    def create(self):
        name = self.name("container", made=False)
        if None not in self.owned["container"].get(name, {None}):
            self.do("create", "--name", name, "base", "true")
            return
        volume = self.name("volume")
        words = ["--name", name, "--network", "none", "--stop-timeout", "0"]
        if self.owned["volume"].get(volume) and None not in self.owned["volume"][volume]:
            words += ["-v", f"{volume}:/vol"]
        first = self.random.choice([["create"], ["run", "-d"], ["run", "-d"]])
        script = f": {self.chaos.mark}; sleep {self.random.choice((1, 1000, 1000))}; exit 3"
        ended = self.do(*first, *words, "base", "sh", "-c", script)
        if "already in use" in ended.stderr or "is in use" in ended.stderr:
            return
        self.set("container", name, ended, ["root"])

    def mortal(self):
        name = f"mortal{self.random.randrange(4)}"
        script = f": {self.chaos.mark}; sleep {self.random.choice((0, 1, 1000))}"
        common = ["--label", "mortal", "--network", "none", "--name", name, "base", "sh", "-c", script]
        self.do(*self.random.choice([["create", *common], ["run", "-d", *common], ["run", "-d", "--rm", *common],
                                     ["rm", "-f", "-t", "0", name], ["start", name], ["stop", "-t", "0", name],
                                     ["restart", "-t", "0", name], ["rename", name, f"mortal{self.random.randrange(4)}"],
                                     ["pause", name], ["unpause", name], ["inspect", name], ["logs", name],
                                     ["exec", name, "true"]]))

    def briefly(self):
        self.do("run", "--rm", "--network", "none", "base", "sh", "-c", f": {self.chaos.mark}; exit 0")

    def start(self):
        self.do("start", self.name("container"))

    def stop(self):
        self.do(*self.random.choice([["stop", "-t", "0"], ["kill"], ["restart", "-t", "0"]]), self.name("container"))

    def execute(self):
        name, token = self.name("container"), self.token()
        known = self.owned["container"].get(name)
        ended = self.do("exec", name, "sh", "-c", f"echo {token} >/data/new && mv /data/new /data/token")
        if known is not None:
            self.written("container", name, ended, token)

    def written(self, kind, name, ended, token):
        """What was acknowledged is the content; what was not may be."""
        if ended.returncode == 0:
            self.owned[kind][name] = {token} | (self.pending[kind, name] - {None})
        else:
            self.pending[kind, name].add(token)
            self.owned[kind][name] = self.owned[kind][name] | {token}

    def copy_in(self):
        name, token = self.name("container"), self.token()
        path = f"{self.chaos.directory}/{token}"
        try:
            crash.write(path, f"{token}\n".encode())
        except OSError:
            return
        ended = self.do("cp", path, f"{name}:/data/token")
        os.remove(path)
        if name not in self.owned["container"]:
            return
        if ended.returncode == 0:
            self.owned["container"][name] = {token} | (self.pending["container", name] - {None})
        else:
            # The file may be there by halves, as with any cp.
            self.pending["container", name] |= {token, "", "*"}
            self.owned["container"][name] = self.owned["container"][name] | {token, "", "*"}

    def copy_out(self):
        self.look("container", self.name("container"))

    def commit(self):
        name, image = self.name("container"), f"localhost/{self.name('image', made=False)}"
        key = image.removeprefix("localhost/")
        tokens = self.owned["container"].get(name, {None})
        ended = self.do("commit", "-q", name, image)
        if tokens != {None}:
            kept = tokens - {None}
            if ended.returncode != 0:
                kept |= self.owned["image"].get(key, {None})
            self.owned["image"][key] = kept

    def load(self):
        self.do("load", "-q", "-i", f"{self.chaos.directory}/load.tar")

    def save(self):
        path = f"{self.chaos.directory}/saved{self.number}.tar"
        self.do("save", "-q", "-o", path, f"localhost/{self.name('image')}")
        if os.path.exists(path):
            os.remove(path)

    def remove(self):
        name = self.name("container")
        self.gone("container", name, self.do("rm", "-f", "-t", "0", name))

    def remove_image(self):
        if self.random.random() < 0.3:
            self.do("rmi", "-f", "localhost/loaded:1")
            return
        name = self.name("image")
        self.gone("image", name, self.do("rmi", "-f", f"localhost/{name}"))

    def tag(self):
        name, other = self.name("image"), self.name("image", made=False)
        tokens = self.owned["image"].get(name)
        ended = self.do("tag", f"localhost/{name}", f"localhost/{other}")
        if tokens and name != other:
            kept = tokens - ({None} if ended.returncode == 0 else set())
            if ended.returncode != 0:
                kept = kept | self.owned["image"].get(other, {None})
            self.owned["image"][other] = kept

    def prune(self):
        self.do(*self.random.choice([["container", "prune", "-f", "--filter", "label=mortal"],
                                     ["image", "prune", "-f"], ["volume", "prune", "-f", "--filter", "label=mortal"],
                                     ["system", "prune", "-f", "--filter", "label=mortal"],
                                     ["system", "check", "--repair"], ["system", "check", "--quick"],
                                     ["system", "df"], ["ps", "-a"], ["images"], ["pod", "ps"], ["volume", "ls"],
                                     ["secret", "ls"], ["volume", "inspect", "-a"]]))

    def volume(self):
        name = self.name("volume", made=False)
        if self.random.random() < 0.7:
            ended = self.do("volume", "create", "--ignore", name)
            if name not in self.owned["volume"] or ended.returncode == 0:
                self.set("volume", name, ended, self.owned["volume"].get(name, {"root"}) - {None} or {"root"})
            return
        ended = self.do("volume", "rm", name)
        if "in use" not in ended.stderr and "used by" not in ended.stderr:
            self.gone("volume", name, ended)

    def volume_write(self):
        name, token = self.name("volume"), self.token()
        if name not in self.owned["volume"]:
            return
        script = f"echo {token} >/vol/new && mv /vol/new /vol/token"
        ended = self.do("run", "--rm", "--network", "none", "-v", f"{name}:/vol", "base", "sh", "-c", script)
        self.written("volume", name, ended, token)

    def volume_tar(self):
        """What is exported is what is in it, and what is imported is in it from then on."""
        name, other = self.name("volume"), self.name("volume")
        path = f"{self.chaos.directory}/volume{self.number}.tar"
        known = self.owned["volume"].get(name)
        ended = self.do("volume", "export", "-o", path, name)
        if ended.returncode == 0 and known and self.random.random() < 0.8:
            # One of them, which it was when it was exported, is its content.
            into = self.owned["volume"].get(other)
            imported = self.do("volume", "import", other, path)
            if into:
                more = known - {None}
                whole = imported.returncode == 0
                # The file may be there by halves, as with any tar.
                more = more | (set() if whole else {"", "*"})
                self.pending["volume", other] |= set() if whole else more
                kept = into - {None} if whole else into
                self.owned["volume"][other] = kept | more
        if os.path.exists(path):
            os.remove(path)

    def secret(self):
        name, token = self.name("secret", made=False), f"hush-{self.token()}"
        path = f"{self.chaos.directory}/{token}"
        try:
            crash.write(path, token.encode())
        except OSError:
            return
        wish = self.random.random()
        if wish < 0.6:
            ended = self.do("secret", "create", "--replace", name, path)
            self.set("secret", name, ended, {token} | ({None} & self.pending["secret", name]))
        elif wish < 0.8:
            # Twice in a container, which must not show it: it would be in its log.
            read = f': {self.chaos.mark}; test "$TOKEN" && test "$(cat /run/secrets/token)" = "$TOKEN" || exit 9'
            self.do("run", "--rm", "--network", "none", "--secret", f"{name},target=token",
                    "--secret", f"{name},type=env,target=TOKEN", "base", "sh", "-c", read)
        else:
            self.gone("secret", name, self.do("secret", "rm", name))
        os.remove(path)

    def pod(self):
        name = self.name("pod", made=False)
        wish = self.random.random()
        if wish < 0.4:
            self.set("pod", name, self.do("pod", "create", "--network", "none", "--name", name), ["pod"]) \
                if None in self.owned["pod"].get(name, {None}) else self.do("pod", "start", name)
        elif wish < 0.7:
            script = f": {self.chaos.mark}; sleep 1000"
            self.do("run", "-d", "--label", "mortal", "--pod", name, "base", "sh", "-c", script)
        elif wish < 0.85:
            self.do("pod", self.random.choice(["stop", "kill", "restart"]), name)
        else:
            self.gone("pod", name, self.do("pod", "rm", "-f", "-t", "0", name))

    # What it checks

    def look_at_all(self):
        """After a restart of the machine."""
        self.pending.clear()
        for kind in self.owned:
            for name in sorted(self.owned[kind]):
                self.look(kind, name)

    def look(self, kind, name):
        """Whether it is as it was acknowledged; what is unknown is known then."""
        tokens = self.owned.get(kind, {}).get(name)
        if not tokens:
            return
        shown = f"localhost/{name}" if kind == "image" else name
        exists = self.chaos.call(kind, "exists", shown)
        if exists.returncode not in (0, 1):
            return self.unsure(f"{kind} exists {shown}", exists)
        if exists.returncode == 1:
            if None not in tokens:
                self.chaos.report(f"{kind} {name}: acknowledged, and gone", name)
            del self.owned[kind][name]
            return None
        found = self.content(kind, name)
        if found is None:
            return None
        if found not in tokens and "*" not in tokens:
            self.chaos.report(f"{kind} {name}: holds {found!r}, acknowledged was {sorted(map(str, tokens))}", name)
        self.owned[kind][name] = {found} | self.pending[kind, name]
        if kind == "pod" and None in tokens:
            # Without its infra container it can be seen, and a repair removes it.
            self.owned[kind][name].add(None)
        return None

    def content(self, kind, name):
        if kind == "pod":
            return "pod"
        if kind == "secret":
            ended = self.chaos.call("secret", "inspect", "--showsecret", "-f", "{{.SecretData}}", name)
            return ended.stdout.strip() if ended.returncode == 0 else self.unsure(f"secret inspect {name}", ended)
        read = ["run", "--rm", "--network", "none"]
        if kind == "container":
            words = ["cp", f"{name}:/data/token", "-"]
        elif kind == "image":
            words = [*read, f"localhost/{name}", "cat", "/data/token"]
        else:
            words = [*read, "-v", f"{name}:/vol", "base", "sh", "-c", "cat /vol/token 2>/dev/null || echo root"]
        ended = self.chaos.call(*words)
        if ended.returncode != 0:
            return self.unsure(" ".join(words), ended)
        text = ended.stdout
        if kind == "container":
            # One member of a tar, whose size is in octal digits.
            text = text[512:512 + int(text[124:135] or "0", 8)] if len(text) >= 512 else ""
        return text.strip()

    def unsure(self, shown, ended):
        """A look may be killed too, and needs room itself."""
        self.chaos.judge(("look",), ended)
        killed = ended.returncode in (-9, 137)
        if not killed and not self.chaos.disk_is_full.is_set() and "no space" not in ended.stderr.lower():
            with self.chaos.lock:
                self.chaos.told[f"look: {shown}: {ended.returncode} {ended.stderr.strip()}"] += 1


WISHES, WEIGHTS = zip(
    (Shell.create, 14), (Shell.mortal, 16), (Shell.briefly, 6), (Shell.start, 8), (Shell.stop, 8),
    (Shell.execute, 10), (Shell.copy_in, 6), (Shell.copy_out, 3), (Shell.commit, 6), (Shell.load, 3),
    (Shell.save, 2), (Shell.remove, 5), (Shell.remove_image, 4), (Shell.tag, 3), (Shell.prune, 8),
    (Shell.volume, 5), (Shell.volume_write, 5), (Shell.volume_tar, 5), (Shell.secret, 9), (Shell.pod, 8))
