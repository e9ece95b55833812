"""Every row of a difference over HTTP, as a signed-in reviewer, side by side with colours and marked words.

Against ``git diff -M`` (L) and against cgit side by side, which has no colours. "Unseen": this server never rendered the difference,
its lines are partly known from others; "again": the same once more. cgit is asked as a program, with and without its page cache.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.cgit import Cgit, install
from tests.bench.measuring import Plan, Result, rounds
from tests.bench.portal import Person, changes_of, served
from tests.bench.workloads import NAMES, git
from tests.support.server import PortalServer

UNSEEN_AIM = 3.0  # × git diff -M
UNSEEN_CGIT_AIM = {"small": 0.6, "medium": 0.6, "large": 0.2, "huge": 0.2, "rename": 0.6}  # × cgit side by side
AGAIN_AIM = {"small": 0.5, "medium": 0.35, "large": 0.35, "huge": 0.35, "rename": 0.35}  # × git diff -M
AGAIN_CGIT_AIM = {"small": 0.8, "medium": 0.8, "large": 0.6, "huge": 0.6, "rename": 0.6}  # × cgit's page cache
WHOLE = "/changes/{}/diff/whole/?view=split"


def run(plan: Plan) -> Result:
    result = Result("Whole difference over HTTP, signed in, side by side (ratios to git diff -M and to cgit)")
    missing = install()
    if missing:
        result.add("cgit", 0, note=f"NOT RUN: {missing}")
    with served(plan.place / "whole") as server:
        server.person("carol", "--connect-repositories")
        server.person("alice")
        with Person(server, "carol") as person:
            for name in ("small", "medium") if plan.quick else NAMES:
                _measure(result, server, person, plan, name, with_cgit=not missing)
    return result


def _measure(result: Result, server: PortalServer, person: Person, plan: Plan, name: str, *, with_cgit: bool) -> None:
    place = plan.place / "whole"
    numbers = changes_of(server, place, name, name, plan.rounds + 1, plan)
    bare = place / f"{name}.git"
    person.get(WHOLE.format(numbers[-1]), fragment=True)  # the lines that variants share are known, as on any busy day
    calls: dict[str, Callable[[int], object]] = {
        "git": lambda at: git(bare, "diff", "-M", "main", f"variant-{at}"),
        "unseen": lambda at: person.get(WHOLE.format(numbers[at]), fragment=True),
        "again": lambda at: person.get(WHOLE.format(numbers[at]), fragment=True),
    }
    if with_cgit:
        plain, cached = Cgit(bare, place), Cgit(bare, place, cached=True)
        cached.diff("main", "variant-0")
        calls["cgit"] = lambda at: plain.diff("main", f"variant-{at}")
        calls["cgit, cached"] = lambda _: cached.diff("main", "variant-0")
    found = rounds(plan.rounds, calls)
    limit = found["git"]
    result.add(f"{name}: git diff -M", limit, note="= L")
    result.add(f"{name}: unseen", found["unseen"], ratio=found["unseen"] / limit, aim=UNSEEN_AIM)
    result.add(f"{name}: again", found["again"], ratio=found["again"] / limit, aim=AGAIN_AIM[name])
    if with_cgit:
        for what, peer, aim in (
            ("unseen", "cgit", UNSEEN_CGIT_AIM[name]),
            ("again", "cgit, cached", AGAIN_CGIT_AIM[name]),
        ):
            value = found[what] / found[peer]
            result.add(f"{name}: {peer}", found[peer])
            result.add(f"{name}: {what}, to {peer}", found[what], ratio=value, aim=aim)
