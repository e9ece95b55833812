"""History and blame over HTTP, as a signed-in reader, against the Git commands behind them.

L of the history is ``git log -50`` (of a path: ``git log -50 -- path``) with a commit-graph and changed-path Bloom filters,
as the portal's mirror has them; of blame ``git blame`` of the whole file by a fresh process. Pages are asked for at a
commit that was never asked for. "First names" is the first response of blame, in which some rows have their names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.bench.measuring import Plan, Result, rounds
from tests.bench.portal import Person, served
from tests.bench.workloads import git

COMMITS, QUICK_COMMITS = 20_000, 400
LINES = 3_000
AIM_LOG, AIM_FIRST_NAMES = 2.0, 0.05
HOT, RARE = "charts/hot.yaml", "docs/rare.md"


def long_history(repo: Path, commits: int) -> None:
    """Linear history in ``main``: every commit edits one line of the hot file or one of 200 others; few the rare one."""
    git(repo.parent, "init", "-q", "--bare", "-b", "main", str(repo))
    hot = [f"key{n}: 0" for n in range(LINES)]
    stream = []
    for number in range(commits):
        path, data = f"apps/d{number % 20}/f{number % 200}.yaml", f"value: {number}\n"
        if number % 500 == 0:
            path, data = RARE, f"Note {number}\n"
        elif number % 8 == 0:
            hot[(number * 7919) % LINES] = f"key{(number * 7919) % LINES}: {number}"
            path, data = HOT, "\n".join(hot) + "\n"
        subject = f"Edit {path} for the {number}th time"
        stream.append(
            f"commit refs/heads/main\ncommitter Person {number % 40} <p{number % 40}@example.org> {1_500_000_000 + number * 900} +0000\n"
            f"data {len(subject)}\n{subject}\nM 100644 inline {path}\ndata {len(data)}\n{data}\n"
        )
    git(repo, "fast-import", "--quiet", "--force", stdin="".join(stream).encode())
    git(repo, "repack", "-adq")
    git(repo, "commit-graph", "write", "--reachable", "--changed-paths")


def run(plan: Plan) -> Result:
    result = Result("History and blame over HTTP, signed in (ratio to the Git command)")
    place = plan.place / "history"
    with served(place) as server:
        repo = place / "long.git"
        long_history(repo, QUICK_COMMITS if plan.quick else COMMITS)
        server.person("carol", "--connect-repositories")
        server.api("carol").post("/repositories/", {"name": "long", "url": str(repo)}, status=201)
        with Person(server, "carol") as person:
            person.get("/repositories/long/history/")
            _measure(result, plan, person, repo)
    return result


def _measure(result: Result, plan: Plan, person: Person, repo: Path) -> None:
    tips = git(repo, "log", f"--max-count={plan.rounds}", "--format=%H", "main").decode().split()
    base = "/repositories/long"
    calls: dict[str, Callable[[int], object]] = {
        "log": lambda at: git(repo, "log", "-50", tips[at]),
        "history page, unseen": lambda at: person.get(f"{base}/history/?ref={tips[at]}"),
        "history page, again": lambda at: person.get(f"{base}/history/?ref={tips[at]}"),
        "log of a path": lambda at: git(repo, "log", "-50", tips[at], "--", RARE),
        "history of a path, unseen": lambda at: person.get(f"{base}/history/?ref={tips[at]}&path={RARE}"),
        "blame": lambda at: git(repo, "blame", tips[at], "--", HOT),
        "first names, unseen": lambda at: person.get(f"{base}/blame/?ref={tips[at]}&path={HOT}"),
        "blame of the window, unseen": lambda at: person.get(
            f"{base}/_blame/?ref={tips[at]}&path={HOT}", fragment=True
        ),
        "blame of the window, again": lambda at: person.get(f"{base}/_blame/?ref={tips[at]}&path={HOT}", fragment=True),
    }
    found = rounds(plan.rounds, calls)
    aims = {
        "first names, unseen": AIM_FIRST_NAMES,
        "history page, unseen": AIM_LOG,
        "history of a path, unseen": AIM_LOG,
    }
    limit = 0.0
    for what, value in found.items():
        if what in {"log", "log of a path", "blame"}:
            limit = value
            result.add(f"git {what}", value, note="= L")
        else:
            result.add(what, value, ratio=value / limit, aim=aims.get(what))
