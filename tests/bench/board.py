"""The board with 100 environments and 200 services against the same pages with 10 and 20, on two servers, in turn.

Half of the services are targets of one repository, the others are spread over repositories of ten targets each. The aim is a
ratio of at most 2 (a page of the small board has 20 rows of 10 environments, one of the large board 25), and as many queries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from tests.bench.measuring import Plan, Result, rounds
from tests.bench.portal import Person, served
from tests.bench.seeding_board import PAGES

SIZES = {"few": (10, 20), "many": (100, 200)}


def run(plan: Plan) -> Result:
    sizes = {"few": (3, 4), "many": (12, 40)} if plan.quick else SIZES
    (few_columns, few_rows), (columns, rows) = sizes["few"], sizes["many"]
    result = Result(f"Board of {columns} × {rows} (ratio to the same page of {few_columns} × {few_rows})")
    with ExitStack() as stack:
        queries: dict[str, dict[str, int]] = {}
        people: dict[str, Person] = {}
        for name, (across, down) in sizes.items():
            server = stack.enter_context(served(plan.place / f"board-{name}", PORTAL_ENGINE="none"))
            server.person("carol")
            output = server.run("-m", "tests.bench.seeding_board", str(across), str(down))
            queries[name] = json.loads(output.splitlines()[-1])
            people[name] = stack.enter_context(Person(server, "carol"))
        calls: dict[str, Callable[[int], object]] = {}
        for path in PAGES:
            for name, person in people.items():
                person.get(path)
                calls[f"{path} {name}"] = partial(_ask, person, path)
        found = rounds(plan.rounds * 2 + 1, calls)
    for path in PAGES:
        base, value = found[f"{path} few"], found[f"{path} many"]
        made = queries["few"][path], queries["many"][path]
        note = f"{base:.1f} ms with {few_columns} × {few_rows}; queries {made[0]} and {made[1]}"
        result.add(f"GET {path}", value, ratio=value / base, aim=2, note=note)
        result.add(f"GET {path}: more queries", made[1] - made[0], unit="queries", aim=0)
    return result


def _ask(person: Person, path: str, _round: int) -> object:
    return person.get(path)
