"""Learning who knows what from a long history, and choosing with it.

Learning is compared with ``git log --name-only`` over the same history in the same run; a choice is told in
milliseconds and queries. The history is generated: commits of 60 addresses (40 of them people here) over 1,200 folders.

``python -m tests.bench.expert_choice COMMITS ROUNDS`` measures inside the portal of ``PORTAL_DATA_DIR`` and prints JSON.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.measuring import Plan, Result
from tests.support.git import ENVIRONMENT
from tests.support.server import PortalServer

PEOPLE, STRANGERS = 40, 20
START = 1_600_000_000
PORTAL = "apiVersion: portal/v1\nrules:\n  - {name: an owner, needs: {approvals: 1, from: [code-owners]}}\n"


def run(plan: Plan) -> Result:
    count = 2_000 if plan.quick else 80_000
    data = plan.place / "experts"
    server = PortalServer(data, local_dirs=[data])
    server.migrate()
    output = server.run("-m", "tests.bench.expert_choice", str(count), str(plan.rounds))
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    result = Result(f"expert choice on {count:,} commits")
    result.add("git log --name-only", found["log"])
    note = f"{found['pieces']} pieces, longest {found['longest']:.0f} ms, {found['rows']:,} rows, {found['memory']} MiB"
    result.add("learning the whole history", found["learn"], ratio=found["learn"] / found["log"], note=note)
    result.add("learning one commit more", found["more"])
    result.add("a choice with its explanation", found["choose"], note=f"{found['candidates']} people could be asked")
    result.add("a choice: queries", found["queries"], unit="queries", aim=15)
    return result


def _history(count: int) -> Iterator[bytes]:
    """A stream for ``git fast-import``: ``main`` with ``count`` commits, and a branch of one commit."""
    rng = random.Random(11)
    owners = " ".join(f"@person-{number}" for number in range(PEOPLE))
    yield _commit("main", "person-0", START, {"CODEOWNERS": f"* {owners}\n", ".gitops/portal.yaml": PORTAL})
    for number in range(1, count):
        who = rng.randrange(PEOPLE + STRANGERS)
        team = rng.choice((who % 30, rng.randrange(30)))
        files = {
            f"apps/team-{team}/service-{rng.randrange(40)}/values-{rng.randrange(6)}.yaml": f"commit: {number}\n"
            for _ in range(rng.choice((1, 1, 2, 3, 5)))
        }
        yield _commit("main", f"person-{who}", START + number * 2_400, files)
    edits = {f"apps/team-{team}/service-3/values-1.yaml": "raised: yes\n" for team in range(6)}
    yield b"reset refs/heads/raise\nfrom refs/heads/main\n\n" + _commit("raise", "author", START + count * 2_400, edits)


def _commit(branch: str, name: str, at: int, files: dict[str, str]) -> bytes:
    head = f"commit refs/heads/{branch}\ncommitter {name} <{name}@example.org> {at} +0000\ndata 6\nchange\n"
    changed = "".join(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n" for path, text in files.items())
    return (head + changed).encode()


def _measure(count: int, times: int) -> dict[str, Any]:
    """Everything inside one portal; milliseconds."""
    from tests.support.people import person

    place = Path(os.environ["PORTAL_DATA_DIR"]) / "history.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(place)], check=True, env=ENVIRONMENT)
    subprocess.run(
        ["git", "-C", str(place), "fast-import", "--quiet"],
        input=b"".join(_history(count)),
        check=True,
        env=ENVIRONMENT,
    )
    people = [person(f"person-{number}") for number in range(PEOPLE)]
    carol, author = person("carol", can_connect_repositories=True), person("author")
    repository = _connected(carol, place, {one.username: "reviewer" for one in people} | {author.username: "author"})
    found = _learn(repository)
    return found | _choose(repository, author, times)


def _connected(carol: Any, place: Path, members: dict[str, str]) -> Any:
    from apps.repositories.services import connect_repository

    return connect_repository(carol, name="history", url=str(place), members=members)


def _learn(repository: Any) -> dict[str, Any]:
    import resource

    from apps.reviews.learning import read_history
    from apps.reviews.models import Expertise

    log = ["git", "-C", str(repository.mirror_path), "log", "--no-merges", "--name-only", "--format=%H %ae", "main"]
    started = time.perf_counter()
    subprocess.run(log, stdout=subprocess.DEVNULL, check=True, env=ENVIRONMENT)
    base = (time.perf_counter() - started) * 1_000
    pieces: list[float] = []
    more = True
    while more:
        started = time.perf_counter()
        more = read_history(repository)
        pieces.append((time.perf_counter() - started) * 1_000)
    return {
        "log": base,
        "learn": sum(pieces),
        "longest": max(pieces),
        "pieces": len(pieces),
        "rows": Expertise.objects.count(),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _choose(repository: Any, author: Any, times: int) -> dict[str, Any]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from apps.changes.services import create_change
    from apps.core.clock import now
    from apps.reviews.choosing import choose
    from apps.reviews.considering import consider
    from apps.reviews.explaining import explain
    from apps.reviews.queries import facts_and_verdict

    change = create_change(author, repository=repository, title="Raise", source_branch="raise")
    facts, verdict = facts_and_verdict(change)
    took: list[float] = []
    for _ in range(max(3, times)):
        started = time.perf_counter()
        seen = consider(change, facts, verdict, now())
        chosen = choose(seen.needs(), asked=frozenset(), people=seen.candidates)
        explain(seen, {})
        took.append((time.perf_counter() - started) * 1_000)
    assert chosen.reasons, "nobody was chosen"
    with CaptureQueriesContext(connection) as queries:
        consider(change, facts, verdict, now())
    return {
        "choose": sorted(took)[len(took) // 2],
        "queries": len(queries.captured_queries),
        "candidates": len(seen.available),
        "more": _one_commit_more(repository),
    }


def _one_commit_more(repository: Any) -> float:
    from apps.reviews.learning import read_history

    tip = repository.branch_tips.get(name="main")
    tip.oid = repository.branch_tips.get(name="raise").oid
    tip.save(update_fields=["oid"])
    started = time.perf_counter()
    assert not read_history(repository)
    return (time.perf_counter() - started) * 1_000


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gitops_portal.settings")
    django.setup()
    print(json.dumps(_measure(int(sys.argv[1]), int(sys.argv[2]))))
