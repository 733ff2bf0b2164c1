#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Makes the image of the benchmark: six layers, 1.1 GB in 36,000 files, 350 MB compressed.

    tests/bench/make_image.py DIRECTORY [--scale SHARE]

The content is generated from a seed: text of a vocabulary, and a part that does not compress. The
only thing of the machine in it is a static busybox, so that the image can be run. DIRECTORY gets

    layout/                 the image as an OCI layout, layers compressed with gzip
    image.tar               the same as `docker save` writes it, layers plain

and is left alone if it is complete already.
"""

import argparse
import concurrent.futures
import gzip
import hashlib
import io
import itertools
import json
import os
import random
import shutil
import tarfile

NAME = "bench/image:1"
SEED = 26
BYTES = 1_100_000_000
FILES = 36_000
# What each layer has of them: a base, what is installed on it, an application, its data.
SHARES = (0.27, 0.22, 0.18, 0.15, 0.11, 0.07)
POOL = 24 << 20
# Of a file's bytes; with it 1.1 GB become 350 MB.
SHARE_RANDOM = 0.06
TIME = 1_700_000_000


def text_pool(rand):
    """Lines of words, some of them said before, as in programs and their data."""
    letters = b"etaoinshrdlucmfwypvbgkjqxz_ETAO(){};.0123456789"
    words = [bytes(rand.choices(letters, k=rand.randint(2, 11))) for _ in range(4000)]
    weights = list(itertools.accumulate(1 / (rank + 1) for rank in range(len(words))))
    lines, size = [], 0
    while size < POOL:
        if lines and rand.random() < 0.4:
            line = lines[-rand.randint(1, min(400, len(lines)))]
        else:
            line = b" ".join(rand.choices(words, cum_weights=weights, k=rand.randint(3, 14)))
        lines.append(line)
        size += len(line) + 1
    return b"\n".join(lines)


def sizes(rand, count, total):
    """Many small files and a few large ones, as in any system."""
    drawn = [rand.lognormvariate(8.2, 2.0) for _ in range(count)]
    scale = total / sum(drawn)
    return [max(1, int(size * scale)) for size in drawn]


def content(rand, pool, size):
    parts, left = [], size
    while left > 0:
        length = min(left, rand.randint(1 << 10, 256 << 10))
        if rand.random() < SHARE_RANDOM:
            parts.append(rand.randbytes(length))
        else:
            start = rand.randrange(len(pool) - length)
            parts.append(pool[start : start + length])
        left -= length
    return b"".join(parts)


def entry(name, kind=tarfile.REGTYPE, mode=0o644, **more):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = kind, mode, TIME
    for key, value in more.items():
        setattr(info, key, value)
    return info


def add_busybox(tar):
    for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"):
        tar.addfile(entry(name, tarfile.DIRTYPE, 0o755))
    with open(shutil.which("busybox"), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        tar.addfile(entry("bin/busybox", mode=0o755, size=size), file)
    for name in ("true", "sh", "cp", "cat"):
        tar.addfile(entry(f"bin/{name}", tarfile.SYMTYPE, 0o777, linkname="busybox"))


class Tee:
    """Takes a tar stream: keeps it plain, keeps it compressed, and knows both digests."""

    def __init__(self, plain_path, packed_path):
        self.plain_file = open(plain_path, "wb")
        self.packed_file = open(packed_path, "wb")
        # No time and no name, or the digest would be another one each time.
        self.packer = gzip.GzipFile("", "wb", 6, self.packed_file, mtime=0)
        self.plain = hashlib.sha256()
        self.size = 0

    def write(self, data):
        self.plain.update(data)
        self.plain_file.write(data)
        self.packer.write(data)
        self.size += len(data)
        return len(data)

    def close(self):
        self.packer.close()
        for file in (self.plain_file, self.packed_file):
            file.close()


def make_layer(directory, number, scale):
    """Writes one layer; returns its diff id, its digest, and both sizes."""
    rand = random.Random(SEED * 100 + number)
    pool = text_pool(rand)
    plain, packed = (os.path.join(directory, f"{number}.{end}") for end in ("tar", "tar.gz"))
    tee = Tee(plain, packed)
    count = int(FILES * SHARES[number] * scale)
    with tarfile.open(fileobj=tee, mode="w|", bufsize=1 << 20, format=tarfile.PAX_FORMAT) as tar:
        if number == 0:
            add_busybox(tar)
        tar.addfile(entry(f"data{number}", tarfile.DIRTYPE, 0o755))
        for at, size in enumerate(sizes(rand, count, BYTES * SHARES[number] * scale)):
            place = f"data{number}/part{at // 40}"
            if at % 40 == 0:
                tar.addfile(entry(place, tarfile.DIRTYPE, 0o755))
                tar.addfile(entry(f"{place}/link", tarfile.SYMTYPE, 0o777, linkname="file0"))
            owner = 0 if at % 10 else 1 + at % 1000
            data = content(rand, pool, size)
            info = entry(f"{place}/file{at % 40}", uid=owner, gid=owner, size=len(data))
            tar.addfile(info, io.BytesIO(data))
    tee.close()
    with open(packed, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return tee.plain.hexdigest(), digest, tee.size, os.path.getsize(packed)


def write_blob(layout, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(os.path.join(layout, "blobs/sha256", digest), "wb") as file:
        file.write(data)
    return digest


def dump(document):
    return json.dumps(document, sort_keys=True).encode()


def descriptor(kind, digest, size):
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}",
            "size": size}


def write_layout(directory, layers, config):
    layout = os.path.join(directory, "layout")
    os.makedirs(os.path.join(layout, "blobs/sha256"))
    for number, (_, digest, _, _) in enumerate(layers):
        os.rename(os.path.join(directory, f"{number}.tar.gz"),
                  os.path.join(layout, "blobs/sha256", digest))
    manifest = dump({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", write_blob(layout, config), len(config)),
        "layers": [descriptor("layer.v1.tar+gzip", digest, size)
                   for _, digest, _, size in layers]})
    top = descriptor("manifest.v1+json", write_blob(layout, manifest), len(manifest))
    top["annotations"] = {"org.opencontainers.image.ref.name": NAME}
    for name, document in (("index.json", {"schemaVersion": 2, "manifests": [top]}),
                           ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(layout, name), "wb") as file:
            file.write(dump(document))


def write_archive(directory, layers, config):
    """As `docker save` does; the plain layers are gone afterwards."""
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = dump([{"Config": name, "RepoTags": [f"localhost/{NAME}"],
                      "Layers": [f"{diff_id}.tar" for diff_id, _, _, _ in layers]}])
    unfinished = os.path.join(directory, "image.tar.unfinished")
    with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar:
        for number, (diff_id, _, size, _) in enumerate(layers):
            path = os.path.join(directory, f"{number}.tar")
            with open(path, "rb") as file:
                tar.addfile(entry(f"{diff_id}.tar", size=size), file)
            os.remove(path)
        for path, data in ((name, config), ("manifest.json", manifest)):
            tar.addfile(entry(path, size=len(data)), io.BytesIO(data))
    os.rename(unfinished, os.path.join(directory, "image.tar"))


def make(directory, scale=1.0):
    """Makes the image below `directory` unless it is there; says how large it is."""
    if not os.path.exists(os.path.join(directory, "image.tar")):
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
        with concurrent.futures.ProcessPoolExecutor() as pool:
            numbers = range(len(SHARES))
            layers = list(pool.map(make_layer, [directory] * len(SHARES), numbers,
                                   [scale] * len(SHARES)))
        config = dump({
            "architecture": {"aarch64": "arm64"}.get(os.uname().machine, "amd64"), "os": "linux",
            "created": "2023-11-14T22:13:20Z", "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer[0]}" for layer in layers]},
            "history": [{"created": "2023-11-14T22:13:20Z", "created_by": f"layer {number}"}
                        for number in range(len(layers))]})
        write_layout(directory, layers, config)
        write_archive(directory, layers, config)


def main():
    parser = argparse.ArgumentParser(description="Make the image of the benchmark.")
    parser.add_argument("directory")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the files and bytes")
    options = parser.parse_args()
    make(options.directory, options.scale)


if __name__ == "__main__":
    main()
