"""Diff engine against ``git diff -M`` of the same trees, as ratios inside one run (PERFORMANCE §6, goals 1–3).

``python tests/bench/bench_diff.py [rounds] [workload …]``. Workloads of PERFORMANCE §0 are generated in a temporary
repository. L is ``git diff -M`` by a fresh process. Ours is one persistent ``git diff-tree --stdin -p --raw -z`` plus
our pipeline: "first rows" (file list and 400 rows, unified), "whole" (every row, side by side, with colours and
intraline) warm, on an unseen diff (memos emptied), and cold (fresh Git process as well).
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from apps.diffs import parse
from apps.diffs.fragments import Options
from apps.diffs.highlight import forget_all
from apps.diffs.marks import forget_marks
from apps.diffs.pages import stream_sections, whole_page
from apps.diffs.rows import _alike_rows
from apps.diffs.tiers import plan

FLAGS = ("-r", "-M", "-p", "--raw", "-z", "--full-index")
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", ""),
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "LC_ALL": "C.UTF-8",
}
AIMS = {
    "small": (1.0, 4.5, 2.0), "medium": (1.0, 4.5, 2.0), "large": (0.5, 4.5, 2.0),
    "huge": (1.0, 4.5, 2.0), "rename": (0.8, 4.5, 2.0),
}  # fmt: skip
WORDS = (
    "web api db cache queue auth edge mail cron log metric trace vault gate proxy sync batch index feed hook".split()
)


def git(where: Path, *args: str, stdin: bytes | None = None) -> bytes:
    return subprocess.run(
        ["git", "-C", str(where), *args], input=stdin, capture_output=True, check=True, env=ENVIRONMENT
    ).stdout


# ------------------------------------------------------------------------------------------------------------- workloads
def yaml_document(rng: random.Random, number: int) -> list[str]:
    name = f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{number}"
    return [
        "---", "apiVersion: apps/v1", "kind: Deployment", "metadata:", f"  name: {name}", "  labels:",
        f"    app.kubernetes.io/name: {name}", "spec:", f"  replicas: {rng.randint(1, 9)}", f"  # {' '.join(rng.choices(WORDS, k=14))}", "  template:", "    spec:",
        "      containers:", f"        - name: {name}", f'          image: "registry.example.org/{name}:1.{rng.randint(0, 40)}.0"',
        "          resources:", "            limits:", f"              cpu: {rng.randint(1, 20)}00m",
        f"              memory: {rng.randint(1, 16)}Gi  # {rng.choice(WORDS)}",
        f"          args: [--level={rng.choice(WORDS)}, --port={rng.randint(1000, 9999)}, --peers={','.join(rng.choices(WORDS, k=12))}]", "",
    ]  # fmt: skip


def hcl_block(rng: random.Random, number: int) -> list[str]:
    name = f"{rng.choice(WORDS)}_{number}"
    return [
        f'resource "aws_instance" "{name}" {{', f'  ami           = "ami-{rng.randint(10**7, 10**8)}"',
        f'  instance_type = "t3.{rng.choice(["micro", "small", "large"])}"', f"  count         = {rng.randint(1, 9)}",
        "  tags = {", f'    Name = "${{var.prefix}}-{name}" # {rng.choice(WORDS)}', "  }", "}", "",
    ]  # fmt: skip


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


def edited_in_runs(rng: random.Random, lines: list[str], hunks: int) -> list[str]:
    """Lines with some runs of one to twenty lines rewritten, dropped or put in, as people and tools edit."""
    result = list(lines)
    for _ in range(hunks):
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


def documents(rng: random.Random, make: Callable[[random.Random, int], list[str]], lines: int) -> list[str]:
    result: list[str] = []
    while len(result) < lines:
        result += make(rng, len(result))
    return result[:lines]


Files = dict[str, bytes]


def workload(name: str) -> tuple[Files, Files]:
    rng = random.Random(7)
    old: Files = {}
    new: Files = {}
    if name == "huge":
        lines = documents(rng, yaml_document, 100_000)
        return {"all.yaml": text(lines)}, {"all.yaml": text(edited(rng, lines, 0.05))}
    # (files, lines each, edited runs each, share of whole new files, suffix): hunks, pairs and rows of each
    # are near those counted in the real commits of PERFORMANCE §0.
    shapes = {
        "small": (3, 120, 3, 0.0, "yaml"),
        "medium": (45, 130, 5, 0.1, "tf"),
        "large": (987, 420, 3, 0.55, "yaml"),
    }
    if name in shapes:
        count, size, hunks, share, suffix = shapes[name]
        for number in range(count):
            lines = documents(rng, hcl_block if suffix == "tf" else yaml_document, size)
            path = f"apps/team-{number % 23}/{WORDS[number % 20]}-{number}.{suffix}"
            if rng.random() < share:
                new[path] = text(lines[:75])
            else:
                old[path], new[path] = text(lines), text(edited_in_runs(rng, lines, hunks))
        return old, new
    for number in range(194):
        lines = documents(rng, yaml_document, 150)
        old[f"charts/stack/templates/{number}.yaml"] = text(lines)
        new[f"charts/kube-stack/templates/{number}.yaml"] = text(edited_in_runs(rng, lines, 3))
    for number in range(30):
        old[f"img/{number}.png"] = b"\x89PNG\0" + rng.randbytes(12_000)
        new[f"img/{number}.png"] = b"\x89PNG\0" + rng.randbytes(12_000)
    return old, new


def commit(repo: Path, files: Files, message: str) -> str:
    out = [
        b"commit refs/heads/main\ncommitter a <a@example.org> 1767225600 +0000\ndata %d\n%s\ndeleteall\n"
        % (len(message), message.encode())
    ]
    out += [b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data) for path, data in files.items()]
    parent = subprocess.run(
        ["git", "-C", str(repo), "rev-parse", "-q", "--verify", "refs/heads/main"],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
    )
    if parent.stdout:
        out[0] = out[0].replace(b"\ndeleteall", b"\nfrom %s\ndeleteall" % parent.stdout.strip())
    git(repo, "fast-import", "--quiet", stdin=b"".join(out))
    return git(repo, "rev-parse", "refs/heads/main^{tree}").decode().strip()


# ----------------------------------------------------------------------------------------------------------- measurement
class PersistentDiff:
    """``git diff-tree --stdin``; an echoed line that is no object name marks the end of an answer (PERFORMANCE §3.1)."""

    def __init__(self, repo: Path) -> None:
        self.process = subprocess.Popen(
            ["git", "-C", str(repo), "diff-tree", "--stdin", *FLAGS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            bufsize=0,
        )
        self.rest = True

    def chunks(self, old: str, new: str) -> Iterator[bytes]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        mark = b"--end--\n"
        self.process.stdin.write(f"{old} {new}\n".encode() + mark)
        skip = len(old) + len(new) + 2
        held = b""
        while True:
            data = os.read(self.process.stdout.fileno(), 1 << 18)
            assert data, "git ended"
            if skip:
                data, skip = data[skip:], max(skip - len(data), 0)
            held += data
            if held.endswith(mark):
                yield held[: -len(mark)].removesuffix(b"\n") + b"\n"
                return
            yield held[: -len(mark)]
            held = held[-len(mark) :]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def first_rows(chunks: Iterator[bytes]) -> int:
    changes, patches = parse.read_stream(chunks)
    listed = "".join(f'<li><a href="#f-{change.id}">{change.display_path}</a>' for change in changes)
    return len(listed) + sum(map(len, stream_sections(plan(changes, {}), patches, options=Options())))


def first_rows_of_closed(chunks: Iterator[bytes]) -> int:
    """As above for one huge file, opened by hand: the page itself would close it with its reason."""
    from apps.diffs.fragments import render_file

    _, patches = parse.read_stream(chunks)
    change, patch = next(patches)
    return len(render_file(change, patch).html)


def whole(chunks: Iterator[bytes]) -> int:
    _, patches = parse.read_stream(chunks)
    return sum(map(len, whole_page(patches, options=Options("split"))))


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1_000


def forget() -> None:
    forget_all()
    forget_marks()
    _alike_rows.cache_clear()


def measure(repo: Path, name: str, old: str, new: str, rounds: int) -> dict[str, float]:
    seen: dict[str, list[float]] = {
        key: [] for key in ("git", "pipe", "first", "first_unseen", "warm", "unseen", "cold")
    }
    first = first_rows_of_closed if name == "huge" else first_rows
    process = PersistentDiff(repo)

    def answer_first() -> None:
        # A first response leaves the rest to Git; the rest is read outside the clock, as the pool does it later.
        nonlocal pending
        pending = process.chunks(old, new)
        first(pending)

    pending: Iterator[bytes] = iter(())
    for _ in range(rounds):
        seen["git"].append(timed(lambda: git(repo, "diff", "-M", old, new)))
        seen["pipe"].append(timed(lambda: list(process.chunks(old, new))))
        forget()
        seen["first_unseen"].append(timed(answer_first))
        list(pending)
        seen["first"].append(timed(answer_first))
        list(pending)
        forget()
        seen["unseen"].append(timed(lambda: whole(process.chunks(old, new))))
        seen["warm"].append(timed(lambda: whole(process.chunks(old, new))))
        forget()

        def cold() -> None:
            fresh = PersistentDiff(repo)
            whole(fresh.chunks(old, new))
            fresh.close()

        seen["cold"].append(timed(cold))
    process.close()
    return {key: statistics.median(values) for key, values in seen.items()}


def main() -> None:
    arguments = sys.argv[1:]
    rounds = int(arguments[0]) if arguments else 7
    names = arguments[1:] or list(AIMS)
    print(
        f"{'':8}{'L ms':>8}{'git pipe':>10}{'first':>8}{'unseen':>8}{'aim':>6}{'whole warm':>12}{'aim':>6}{'unseen':>8}{'cold':>7}{'aim':>6}"
    )
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            repo = Path(directory) / name
            git(Path(directory), "init", "-q", "--bare", "-b", "main", str(repo))
            before, after = workload(name)
            old, new = commit(repo, before, "before"), commit(repo, after, "after")
            git(repo, "gc", "-q")
            got = measure(repo, name, old, new, rounds)
            limit = got["git"]
            first_aim, cold_aim, warm_aim = AIMS[name]
            ratio = {key: value / limit for key, value in got.items()}
            print(
                f"{name:8}{limit:8.1f}{ratio['pipe']:10.2f}{ratio['first']:8.2f}{ratio['first_unseen']:8.2f}{first_aim:6.1f}"
                f"{ratio['warm']:12.2f}{warm_aim:6.1f}{ratio['unseen']:8.2f}{ratio['cold']:7.2f}{cold_aim:6.1f}"
            )


if __name__ == "__main__":
    main()
