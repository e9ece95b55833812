"""R6: two portals on one database, and two databases on one Git host, of which one is a copy as after a restore: one does each thing."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from apps.changes.models import ChangeRequest
from apps.changes.services import create_change
from apps.deployments.models import Deployment
from apps.deployments.services import merge_change
from tests.support.delivery import Delivery, pipeline
from tests.support.engine_process import database_url
from tests.support.git import GitRepo
from tests.support.racing import Act, Racers
from tests.support.repositories import branch_with, pushed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
BOTH = pytest.mark.parametrize("engine", ENGINES)
RULES = "rules:\n  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}\n"


@contextmanager
def copied_database(tmp_path: Path) -> Iterator[str]:
    """A whole copy of the present database, as a backup that was restored beside it; its address."""
    if connection.vendor == "sqlite":
        place = tmp_path / "restored.sqlite3"
        with (
            closing(sqlite3.connect(connection.settings_dict["NAME"])) as source,
            closing(sqlite3.connect(place)) as target,
        ):
            source.backup(target)
        yield f"sqlite:///{place}"
        return
    name = connection.settings_dict["NAME"]
    address = database_url()
    connections.close_all()
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}_restored"')
        cursor.execute(f'CREATE DATABASE "{name}_restored" TEMPLATE "{name}"')
    try:
        yield address.removesuffix(name) + f"{name}_restored"
    finally:
        with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}_restored" WITH (FORCE)')


def approved_into(delivery: Delivery, target: str) -> ChangeRequest:
    """An approved change into a branch of its own."""
    pushed(delivery.repository, delivery.work, f"origin/main:refs/heads/{target}")
    delivery.work.run("fetch", "-q", "origin")
    branch_with(delivery.work, f"to-{target}", {f"{target}.txt": "1\n"}, at="origin/main")
    pushed(delivery.repository, delivery.work, f"to-{target}:refs/heads/to-{target}")
    change = create_change(
        delivery.people.alice,
        repository=delivery.repository,
        title=target,
        source_branch=f"to-{target}",
        target_branch=target,
    )
    delivery.approve(change)
    change.refresh_from_db()
    return change


@pytest.fixture(autouse=True)
def _right_engine(engine: str) -> None:
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")


@BOTH
def test_of_a_portal_and_its_restored_copy_exactly_one_does_each_merge_and_the_other_says_why(
    tmp_path: Path, engine: str
) -> None:
    merged_by_one(tmp_path, 6)


@BOTH
@pytest.mark.soak
def test_a_hundred_merges_by_a_portal_and_its_restored_copy(tmp_path: Path, engine: str) -> None:
    merged_by_one(tmp_path, 100)


def merged_by_one(tmp_path: Path, rounds: int) -> None:
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    changes = [approved_into(delivery, f"t{number}") for number in range(rounds)]
    acts: list[Act] = []
    for number, change in enumerate(changes):
        if number % 2:  # decided before the backup, carried out by both
            intent = merge_change(delivery.people.alice, change=change)
            acts.append(("carry_out", {"intent": intent.pk}))
        else:  # decided by both after it
            acts.append(("merge_whole", {"who": "alice", "change": change.pk}))
    with copied_database(tmp_path) as copy:
        with two_portals(tmp_path, copy) as running:
            for act in acts:
                assert running.race([act, act], [0.0, 0.0]) == ["done", "done"]
        mine, theirs = ends_of(database_url()), ends_of(copy)
    remote = GitRepo(Path(delivery.repository.url))
    for number, change in enumerate(changes):
        (state, code, commit), (other_state, other_code, other_commit) = mine[change.pk], theirs[change.pk]
        assert sorted([state, other_state]) == ["landed", "returned"], (number, mine, theirs)
        landed = commit if state == "landed" else other_commit
        assert remote.rev_parse(f"t{number}") == landed
        assert (other_code if state == "landed" else code) in {"claimed_elsewhere", "target_moved"}
        assert len(remote.run("rev-list", "--merges", f"main..t{number}").split()) == 1
    assert "claimed_elsewhere" in {code for _, code, _ in [*mine.values(), *theirs.values()]}
    assert not Deployment.objects.exists(), "these branches are not deployed from"


@contextmanager
def two_portals(tmp_path: Path, database: str) -> Iterator[Racers]:
    """One on the database of the test, and one on ``database``; each has a data directory of its own."""
    own_data = tmp_path / "other-data"
    shutil.copytree(settings.PORTAL_DATA_DIR, own_data)
    each = [{}, {"DATABASE_URL": database, "PORTAL_DATA_DIR": str(own_data)}]
    with Racers(tmp_path, 2, each=each) as running:
        yield running


@BOTH
@pytest.mark.parametrize("databases", [1, 2])
def test_of_two_portals_exactly_one_runs_each_deployment(tmp_path: Path, databases: int, engine: str) -> None:
    deployed_by_one(tmp_path, databases, 4)


@BOTH
@pytest.mark.soak
@pytest.mark.parametrize("databases", [1, 2])
def test_fifty_deployments_by_two_portals(tmp_path: Path, databases: int, engine: str) -> None:
    deployed_by_one(tmp_path, databases, 50)


def deployed_by_one(tmp_path: Path, databases: int, rounds: int) -> None:
    """On one database the other leaves it alone; on a restored copy it cannot know: unknown, and a person decides."""
    witness = tmp_path / "witness"
    step = f"echo $PORTAL_ENVIRONMENT >> {witness}; sleep 0.05"
    places = "".join(
        f"  e{number}: {{deploy: {{steps: [{{name: apply, run: '{step}'}}]}}}}\n" for number in range(rounds)
    )
    delivery = Delivery.start(tmp_path, f"apiVersion: portal/v1\nenvironments:\n{places}{RULES}")
    change = delivery.merged()
    with ExitStack() as stack:
        copy = stack.enter_context(copied_database(tmp_path)) if databases == 2 else database_url()
        running = stack.enter_context(two_portals(tmp_path, copy))
        for number in range(rounds):
            row = delivery.deployment(change, f"e{number}")
            act: Act = ("deploy", {"deployment": row.pk})
            assert running.race([act, act], [0.0, 0.0]) == ["done", "done"]
            ends = [end_of(row.pk, address) for address in (database_url(), copy)]
            assert sorted(ends) == (["succeeded"] * 2 if databases == 1 else ["succeeded", "unknown"])
            assert witness.read_text().split() == [f"e{done}" for done in range(number + 1)]


def end_of(deployment: int, address: str) -> str:
    """The state of a deployment in the database at ``address``."""
    return str(rows_of(address, f"SELECT status FROM deployments_deployment WHERE id = {deployment}")[0][0])


Ends = dict[int, tuple[str, str, str]]
ASKED = "SELECT change_id, state, outcome, merge_commit FROM deployments_mergeintent"


def ends_of(address: str) -> Ends:
    """Change → state, code of the outcome and commit of its decision, as the database at ``address`` has them."""
    found: Ends = {}
    for change, state, outcome, commit in rows_of(address, ASKED):
        told = json.loads(outcome) if isinstance(outcome, str) else outcome
        found[change] = (state, told.get("code", ""), commit)
    return found


def rows_of(address: str, question: str) -> list[tuple[Any, ...]]:
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as database:
            return database.execute(question).fetchall()
    with psycopg.connect(address) as database:
        return database.execute(question).fetchall()
