"""How the cost grows with the number of files: 10, 100, 1,000 and 10,000, each with a few changed lines.

First rows over HTTP, signed in, and the whole by ``git diff -M``. First rows have to stay flat beyond one page of headings but for the
list of files; nothing may grow faster than the files do. A ratio is the cost for a file, by that of ten times fewer files.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.measuring import Plan, Result, rounds
from tests.bench.portal import Person, connected, served
from tests.bench.workloads import commit, git

SIZES = (10, 100, 1_000, 10_000)
LINEAR = 1.0


def run(plan: Plan) -> Result:
    result = Result("Cost by number of files (ratio: for each file, to ten times fewer files)")
    place = plan.place / "growth"
    with served(place, PORTAL_ENGINE="none") as server:
        server.person("carol", "--connect-repositories")
        server.person("alice")
        with Person(server, "carol") as person:
            before: dict[str, float] = {}
            for size in SIZES[:2] if plan.quick else SIZES:
                bare = place / f"files-{size}.git"
                _repository(bare, size, plan.rounds)
                numbers = connected(server, bare, f"files-{size}", plan.rounds)
                person.get(f"/changes/{numbers[0]}/diff/")
                found = rounds(
                    plan.rounds,
                    {
                        "git diff -M": lambda at: git(bare, "diff", "-M", "main", f"variant-{at}"),  # noqa: B023  # used at once
                        "first rows": lambda at: person.get(f"/changes/{numbers[at]}/diff/", fragment=True),  # noqa: B023
                    },
                )
                for what, value in found.items():
                    each = value / size
                    ratio = (
                        {"ratio": each / before[what], "aim": LINEAR}
                        if what in before and what != "git diff -M"
                        else {}
                    )
                    result.add(f"{size:,} files: {what}", value, **ratio)
                    before[what] = each
    return result


def _repository(path: Path, size: int, variants: int) -> None:
    git(path.parent, "init", "-q", "--bare", "-b", "main", str(path))
    lines = [f"key{line}: value" for line in range(30)]

    def files(variant: int) -> dict[str, bytes]:
        changed = [*lines]
        if variant >= 0:
            changed[9:11] = [f"key9: changed {variant}", "extra: line"]
        return {
            f"clusters/c{number // 50:03}/app-{number:05}.yaml": "\n".join([f"app: {number}", *changed, ""]).encode()
            for number in range(size)
        }

    base = commit(path, "main", files(-1))
    for variant in range(variants):
        commit(path, f"variant-{variant}", files(variant), base)
    git(path, "gc", "-q")
