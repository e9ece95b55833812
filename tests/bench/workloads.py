"""Differences of known shape, written with real Git into a temporary directory.

The shapes follow the real commits of well-known chart and Terraform repositories: files, hunks, pairs and rows of each
workload are near theirs. Every workload has one old tree and any number of new ones, so that each round can ask for a
difference that nobody has asked for before.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "LC_ALL": "C.UTF-8",
}
NAMES = ("small", "medium", "large", "huge", "rename")
WORDS = (
    "web api db cache queue auth edge mail cron log metric trace vault gate proxy sync batch index feed hook".split()
)
Files = dict[str, bytes]
Maker = Callable[[random.Random, int], list[str]]


@dataclass(frozen=True)
class Shape:
    """``files`` of ``lines`` each, ``runs`` edited places in each; ``fresh``: share of files that are new."""

    files: int
    lines: int
    runs: int
    fresh: float
    suffix: str


SHAPES = {
    "small": Shape(3, 120, 3, 0.0, "yaml"),
    "medium": Shape(45, 130, 5, 0.1, "tf"),
    "large": Shape(987, 420, 3, 0.55, "yaml"),
}
HUGE_LINES = 100_000
RENAMED, IMAGES = 194, 30


def git(where: Path, *args: str, stdin: bytes | None = None) -> bytes:
    """Standard output of ``git ARGS`` in ``where``."""
    command = ["git", "-C", str(where), *args]
    return subprocess.run(command, input=stdin, capture_output=True, check=True, env=ENVIRONMENT).stdout


def yaml_document(rng: random.Random, number: int) -> list[str]:
    name = f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{number}"
    return [
        "---", "apiVersion: apps/v1", "kind: Deployment", "metadata:", f"  name: {name}", "  labels:",
        f"    app.kubernetes.io/name: {name}", "spec:", f"  replicas: {rng.randint(1, 9)}",
        f"  # {' '.join(rng.choices(WORDS, k=14))}", "  template:", "    spec:",
        "      containers:", f"        - name: {name}",
        f'          image: "registry.example.org/{name}:1.{rng.randint(0, 40)}.0"',
        "          resources:", "            limits:", f"              cpu: {rng.randint(1, 20)}00m",
        f"              memory: {rng.randint(1, 16)}Gi  # {rng.choice(WORDS)}",
        f"          args: [--level={rng.choice(WORDS)}, --port={rng.randint(1000, 9999)},"
        f" --peers={','.join(rng.choices(WORDS, k=12))}]", "",
    ]  # fmt: skip


def hcl_block(rng: random.Random, number: int) -> list[str]:
    name = f"{rng.choice(WORDS)}_{number}"
    return [
        f'resource "aws_instance" "{name}" {{', f'  ami           = "ami-{rng.randint(10**7, 10**8)}"',
        f'  instance_type = "t3.{rng.choice(["micro", "small", "large"])}"', f"  count         = {rng.randint(1, 9)}",
        "  tags = {", f'    Name = "${{var.prefix}}-{name}" # {rng.choice(WORDS)}', "  }", "}", "",
    ]  # fmt: skip


def documents(rng: random.Random, make: Maker, lines: int) -> list[str]:
    result: list[str] = []
    while len(result) < lines:
        result += make(rng, len(result))
    return result[:lines]


def edited(rng: random.Random, lines: list[str], share: float) -> list[str]:
    """Lines with a share of them changed: numbers bumped, some lines dropped, some put in."""
    result = []
    for line in lines:
        if rng.random() >= share:
            result.append(line)
            continue
        kind = rng.random()
        if kind < 0.7:
            result.append(line + "0" if line[-1:].isdigit() else f"{line} # {rng.choice(WORDS)}")
        elif kind < 0.85:
            result += [line, f"{line[: len(line) - len(line.lstrip())]}{rng.choice(WORDS)}: {rng.randint(0, 99)}"]
    return result


def edited_in_runs(rng: random.Random, lines: list[str], runs: int) -> list[str]:
    """Lines with some runs of one to twenty lines rewritten, dropped or put in, as people and tools edit."""
    result = list(lines)
    for _ in range(runs):
        at, size, kind = rng.randrange(len(result)), rng.choice((1, 1, 2, 3, 5, 8, 20)), rng.random()
        run = result[at : at + size]
        if kind < 0.4:
            run = edited(rng, run, 1.0)
        elif kind < 0.6:
            run = []
        elif kind < 0.8:
            run = run + edited(rng, run, 0.9)
        result[at : at + size] = run
    return result


def text(lines: list[str]) -> bytes:
    return "\n".join(lines).encode() + b"\n"


def trees(name: str, variants: int, *, scale: float = 1.0) -> tuple[Files, list[Files]]:
    """The old files of a workload and ``variants`` sets of new ones; ``scale`` < 1 makes it small, for a smoke run."""
    rng = random.Random(7)
    edits = [random.Random(100 + number) for number in range(variants)]
    if name == "huge":
        lines = documents(rng, yaml_document, int(HUGE_LINES * scale))
        return {"all.yaml": text(lines)}, [{"all.yaml": text(edited(edit, lines, 0.05))} for edit in edits]
    if name == "rename":
        return _renamed(rng, edits, scale)
    shape = SHAPES[name]
    make = hcl_block if shape.suffix == "tf" else yaml_document
    old: Files = {}
    new: list[Files] = [{} for _ in edits]
    for number in range(max(3, int(shape.files * scale))):
        lines = documents(rng, make, shape.lines)
        path = f"apps/team-{number % 23}/{WORDS[number % 20]}-{number}.{shape.suffix}"
        is_fresh = rng.random() < shape.fresh
        if not is_fresh:
            old[path] = text(lines)
        for edit, files in zip(edits, new, strict=True):
            files[path] = text(documents(edit, make, 75) if is_fresh else edited_in_runs(edit, lines, shape.runs))
    return old, new


def _renamed(rng: random.Random, edits: list[random.Random], scale: float) -> tuple[Files, list[Files]]:
    old: Files = {}
    new: list[Files] = [{} for _ in edits]
    for number in range(max(3, int(RENAMED * scale))):
        lines = documents(rng, yaml_document, 150)
        old[f"charts/stack/templates/{number}.yaml"] = text(lines)
        for edit, files in zip(edits, new, strict=True):
            files[f"charts/kube-stack/templates/{number}.yaml"] = text(edited_in_runs(edit, lines, 3))
    for number in range(max(1, int(IMAGES * scale))):
        path = f"img/{number}.png"
        old[path] = b"\x89PNG\0" + rng.randbytes(12_000)
        for edit, files in zip(edits, new, strict=True):
            files[path] = b"\x89PNG\0" + edit.randbytes(12_000)
    return old, new


def commit(repo: Path, branch: str, files: Files, parent: str = "") -> str:
    """A commit of exactly ``files`` on ``branch`` by way of fast-import; its oid."""
    head = f"commit refs/heads/{branch}\ncommitter Alice <alice@example.org> 1767225600 +0000\ndata 6\nchange\n"
    if parent:
        head += f"from {parent}\n"
    out = [head.encode(), b"deleteall\n"]
    out += [b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data) for path, data in files.items()]
    git(repo, "fast-import", "--quiet", stdin=b"".join(out))
    return git(repo, "rev-parse", f"refs/heads/{branch}").decode().strip()


def bare_repository(path: Path, name: str, variants: int, *, scale: float = 1.0) -> tuple[str, list[str]]:
    """A gc'ed bare repository with ``main`` and branches ``variant-N``; their commits."""
    git(path.parent, "init", "-q", "--bare", "-b", "main", str(path))
    old, new = trees(name, variants, scale=scale)
    base = commit(path, "main", old)
    heads = [commit(path, f"variant-{number}", files, base) for number, files in enumerate(new)]
    git(path, "gc", "-q")
    return base, heads
