"""The diff engine in process, against ``git diff -M`` of the same trees.

L is ``git diff -M`` by a fresh process. Ours is one persistent ``git diff-tree --stdin -p --raw -z`` and the pipeline
behind it: "first rows" (file list and 400 rows, unified) and "whole" (every row, side by side, with colours and
intraline), warm, on an unseen difference (all memories emptied), and cold (with a fresh Git process as well).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from apps.diffs import parse
from apps.diffs.fragments import Options, render_file
from apps.diffs.highlight import forget_all
from apps.diffs.marks import forget_marks
from apps.diffs.pages import stream_sections, whole_page
from apps.diffs.rows import _alike_rows
from apps.diffs.tiers import plan as plan_files
from tests.bench.measuring import Plan, Result, rounds
from tests.bench.workloads import ENVIRONMENT, NAMES, bare_repository, git

FLAGS = ("-r", "-M", "-p", "--raw", "-z", "--full-index")
FIRST_AIMS = {"small": 1.0, "medium": 1.0, "large": 0.5, "huge": 0.5, "rename": 0.8}
FIRST_UNSEEN_AIMS = {"huge": 1.0}
WARM_AIM, UNSEEN_AIM, COLD_AIM = 2.0, 3.0, 4.5


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
    return len(listed) + sum(map(len, stream_sections(plan_files(changes, {}), patches, options=Options())))


def first_rows_of_closed(chunks: Iterator[bytes]) -> int:
    """As above for one huge file, opened by hand: the page itself would close it with its reason."""
    _, patches = parse.read_stream(chunks)
    change, patch = next(patches)
    return len(render_file(change, patch).html)


def whole(chunks: Iterator[bytes]) -> int:
    _, patches = parse.read_stream(chunks)
    return sum(map(len, whole_page(patches, options=Options("split"))))


def forget() -> None:
    """Empty all memories of lines and pairs, as if this difference had never been seen."""
    forget_all()
    forget_marks()
    _alike_rows.cache_clear()


def run(plan: Plan) -> Result:
    result = Result("Diff engine in process (ratio to git diff -M)")
    for name in ("small", "medium") if plan.quick else NAMES:
        repo = plan.place / f"engine-{name}.git"
        base, heads = bare_repository(repo, name, 1, scale=0.05 if plan.quick else 1.0)
        old, new = (git(repo, "rev-parse", f"{commit}^{{tree}}").decode().strip() for commit in (base, heads[0]))
        _measure(result, plan, repo, name, old, new)
    return result


def _measure(result: Result, plan: Plan, repo: Path, name: str, old: str, new: str) -> None:
    first = first_rows_of_closed if name == "huge" else first_rows
    process = PersistentDiff(repo)
    calls: dict[str, Callable[[int], object]] = {
        "git": lambda _: git(repo, "diff", "-M", old, new),
        "git, persistent": lambda _: list(process.chunks(old, new)),
        "first rows, unseen": lambda _: _forgetting(lambda: _first(first, process, old, new)),
        "first rows": lambda _: _first(first, process, old, new),
        "whole, unseen": lambda _: _forgetting(lambda: whole(process.chunks(old, new))),
        "whole, warm": lambda _: whole(process.chunks(old, new)),
        "whole, cold": lambda _: _forgetting(lambda: _cold(repo, old, new)),
    }
    found = rounds(plan.rounds, calls)
    process.close()
    limit = found.pop("git")
    result.add(f"{name}: git diff -M", limit, note="= L")
    aims = {
        "first rows": FIRST_AIMS[name], "first rows, unseen": FIRST_UNSEEN_AIMS.get(name),
        "whole, unseen": UNSEEN_AIM, "whole, warm": WARM_AIM, "whole, cold": COLD_AIM,
    }  # fmt: skip
    for what, value in found.items():
        result.add(f"{name}: {what}", value, ratio=value / limit, aim=aims.get(what))


def _forgetting(call: Callable[[], object]) -> None:
    forget()
    call()


def _first(first: Callable[[Iterator[bytes]], int], process: PersistentDiff, old: str, new: str) -> None:
    # The rest of the answer is read as well, inside the clock: the portal's pool has to do it too.
    chunks = process.chunks(old, new)
    first(chunks)
    list(chunks)


def _cold(repo: Path, old: str, new: str) -> None:
    fresh = PersistentDiff(repo)
    whole(fresh.chunks(old, new))
    fresh.close()
