"""The difference of a change over HTTP, as a signed-in reviewer, against ``git diff -M`` of the same two trees.

L is ``git diff -M`` by a fresh process, its output read to the end. Every round asks for a difference that the server
has never rendered; ``again`` asks for the same once more. The fragment is the file list and the first 400 rows, which
is what stands behind "first rows"; the page has the frame, the review form and the tabs around it.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.measuring import Plan, Result, rounds
from tests.bench.portal import Person, changes_of, served
from tests.bench.workloads import NAMES, git
from tests.support.server import PortalServer

AIMS = {"small": (1.0, 0.5), "medium": (1.0, 0.35), "large": (0.5, 0.35), "huge": (1.0, 0.35), "rename": (0.8, 0.35)}
"""First rows unseen and seen before, as ratios to L."""


def run(plan: Plan) -> Result:
    result = Result("Difference over HTTP, signed in (ratio to git diff -M)")
    names = ("small", "medium") if plan.quick else NAMES
    with served(plan.place / "diffs") as server:
        server.person("carol", "--connect-repositories")
        server.person("alice")
        with Person(server, "carol") as person:
            person.get(f"/changes/{changes_of(server, plan.place / 'diffs', 'warm', 'small', 1, plan)[0]}/diff/")
            for name in names:
                _measure(result, server, person, plan, name)
    return result


def _measure(result: Result, server: PortalServer, person: Person, plan: Plan, name: str) -> None:
    # Two variants per round: one is first asked for as a fragment, the other as a page.
    numbers = changes_of(server, plan.place / "diffs", name, name, plan.rounds * 2, plan)
    bare = plan.place / "diffs" / f"{name}.git"
    calls: dict[str, Callable[[int], object]] = {
        "git": lambda at: git(bare, "diff", "-M", "main", f"variant-{at * 2}"),
        "first rows, unseen": lambda at: person.get(f"/changes/{numbers[at * 2]}/diff/", fragment=True),
        "first rows, again": lambda at: person.get(f"/changes/{numbers[at * 2]}/diff/", fragment=True),
        "page, unseen": lambda at: person.get(f"/changes/{numbers[at * 2 + 1]}/diff/"),
        "page, again": lambda at: person.get(f"/changes/{numbers[at * 2 + 1]}/diff/"),
    }
    found = rounds(plan.rounds, calls)
    limit = found.pop("git")
    result.add(f"{name}: git diff -M", limit, note="= L")
    unseen, seen = AIMS[name]
    aims = {"first rows, unseen": unseen, "first rows, again": seen}
    for what, value in found.items():
        result.add(f"{name}: {what}", value, ratio=value / limit, aim=aims.get(what))
