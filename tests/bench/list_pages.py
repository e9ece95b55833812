"""Queue and lists with 100 changes against the same pages with 10,000, on two servers, in turn.

The aim is a ratio of at most 1.5, and the same number of queries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from tests.bench.measuring import Plan, Result, rounds
from tests.bench.portal import Person, served
from tests.bench.seeding import PAGES

PEOPLE = ("alice", "bob", "kim", "dave")
SEEDS = {"changes": "changes", "open": "open changes"}


def run(plan: Plan) -> Result:
    return compared(plan, "changes", PAGES)


def compared(plan: Plan, seeds: str, pages: Sequence[str]) -> Result:
    """The same pages with few and with many changes, as ``tests.bench.seeding`` makes them."""
    few, many = (20, 60) if plan.quick else (100, 10_000)
    result = Result(f"Lists with {many:,} {SEEDS[seeds]} (ratio to the same page with {few:,})")
    with ExitStack() as stack:
        queries: dict[int, dict[str, int]] = {}
        people: dict[int, Person] = {}
        for count in (few, many):
            server = stack.enter_context(served(plan.place / f"{seeds}-{count}", PORTAL_ENGINE="none"))
            for name in ("carol", *PEOPLE):
                server.person(name)
            output = server.run("-m", "tests.bench.seeding", seeds, str(count))
            queries[count] = json.loads(output.splitlines()[-1])
            people[count] = stack.enter_context(Person(server, "carol"))
        calls: dict[str, Callable[[int], object]] = {}
        for path in pages:
            for count, person in people.items():
                person.get(path)
                calls[f"{path} {count}"] = partial(_ask, person, path)
        found = rounds(plan.rounds * 2 + 1, calls)
    for path in pages:
        base, value = found[f"{path} {few}"], found[f"{path} {many}"]
        note = f"{base:.1f} ms with {few}; queries {queries[few][path]} and {queries[many][path]}"
        result.add(f"GET {path}", value, ratio=value / base, aim=1.5, note=note)
        difference = queries[many][path] - queries[few][path]
        result.add(f"GET {path}: more queries", difference, unit="queries", aim=0)
    return result


def _ask(person: Person, path: str, _round: int) -> object:
    return person.get(path)
