"""What the author changed between two revisions, against the two ``git diff -M`` of the revisions themselves.

L is the sum of ``git diff -M target result`` for both revisions, by fresh processes. Ours is the re-application (a merge of
trees and its stand-in commits), the raw list and the patch of what the author changed, and the count of upstream's edits:
what one comparison asks of Git, in process, with nothing remembered. Upstream moves a tenth of the author's files and adds
some; the author rebases and changes a few more.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from apps.vcs import trees
from apps.vcs.pool import DEFAULT_POOL
from apps.vcs.reapplying import reapply
from tests.bench.measuring import Plan, Result, rounds
from tests.bench.workloads import documents, edited_in_runs, git, text, yaml_document

AIM = 3.0
SIZES = {"3 files": 3, "45 files": 45, "1,000 files": 1_000}


def run(plan: Plan) -> Result:
    result = Result("Difference between two revisions, upstream filtered (ratio to both git diff -M)")
    for name, files in SIZES.items():
        if plan.quick and files > 45:
            continue
        repo = plan.place / f"interdiff-{files}.git"
        git(plan.place, "init", "-q", "--bare", str(repo))
        sets = [_revisions(repo, files, number) for number in range(plan.rounds + 1)]
        _measure(result, plan, repo, name, sets)
    return result


def _measure(result: Result, plan: Plan, repo: Path, name: str, sets: list[tuple[str, str, str, str]]) -> None:
    git(repo, "repack", "-adq")
    _ours(repo, sets[-1])  # persistent processes are running, as in a portal
    calls: dict[str, Callable[[int], object]] = {
        "git": lambda at: [git(repo, "diff", "-M", *sets[at][:2]), git(repo, "diff", "-M", *sets[at][2:])],
        "comparison, unseen": lambda at: _ours(repo, sets[at]),
    }
    found = rounds(plan.rounds, calls)
    DEFAULT_POOL.forget(repo)
    result.add(f"{name}: both git diff -M", found["git"], note="= L")
    ours = found["comparison, unseen"]
    result.add(f"{name}: comparison, unseen", ours, ratio=ours / found["git"], aim=AIM)


def _ours(repo: Path, trees_: tuple[str, str, str, str]) -> None:
    before, first, moved, later = trees_
    found = reapply(repo, base=before, onto=moved, result=first)
    assert not found.mixed
    trees.diff_trees(repo, found.tree, later)
    trees.patch(repo, found.tree, later)
    trees.count_edits(repo, first, found.tree)


def _revisions(repo: Path, files: int, seed: int) -> tuple[str, str, str, str]:
    """Target and merge result of two revisions, as trees."""
    rng = random.Random(seed)
    base = {f"apps/d{n % 17}/f{n}.yaml": documents(rng, yaml_document, 130) for n in range(files)}
    base |= {f"other/d{n % 17}/f{n}.yaml": documents(rng, yaml_document, 40) for n in range(files)}
    # Author and upstream edit different halves of a file, so that applying again is clean.
    author = {
        path: [*edited_in_runs(rng, lines[:60], 2), *lines[60:]] for path, lines in base.items() if path[0] == "a"
    }
    first = base | author
    again = rng.sample(sorted(author), max(1, files // 10))
    upstream = {path: [*base[path][:90], *edited_in_runs(rng, base[path][90:], 1)] for path in again}
    upstream |= {f"other/d{n % 17}/f{n}.yaml": documents(rng, yaml_document, 40) for n in range(max(1, files // 10))}
    moved = base | upstream
    rebased = {path: [*author[path][:-70], *moved[path][60:]] if path in again else author[path] for path in author}
    more = {path: ["# more", *rebased[path]] for path in rng.sample(sorted(author), max(1, files // 20))}
    return (_tree(repo, base), _tree(repo, first), _tree(repo, moved), _tree(repo, moved | rebased | more))


def _tree(repo: Path, files: dict[str, list[str]]) -> str:
    name = f"refs/heads/t{len(git(repo, 'for-each-ref', 'refs/heads/').splitlines())}"
    stream = [f"commit {name}\ncommitter x <x@example.org> 1767225600 +0000\ndata 0\n".encode()]
    for path, lines in files.items():
        data = text(lines)
        stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    git(repo, "fast-import", "--quiet", stdin=b"".join(stream))
    return git(repo, "rev-parse", f"{name}^{{tree}}").decode().strip()
