"""R6: two databases on one Git host. One is a copy of the other, as after a restore: both try the same merges, and one does each."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

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
ROUNDS = 6


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


@pytest.mark.parametrize("engine", ENGINES)
def test_of_a_portal_and_its_restored_copy_exactly_one_does_each_merge_and_the_other_says_why(
    tmp_path: Path, engine: str
) -> None:
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")
    delivery = Delivery.start(tmp_path, pipeline("true", "true"))
    changes = [approved_into(delivery, f"t{number}") for number in range(ROUNDS)]
    acts: list[Act] = []
    for number, change in enumerate(changes):
        if number % 2:  # decided before the backup, carried out by both
            intent = merge_change(delivery.people.alice, change=change)
            acts.append(("carry_out", {"intent": intent.pk}))
        else:  # decided by both after it
            acts.append(("merge_whole", {"who": "alice", "change": change.pk}))
    own_data = tmp_path / "restored-data"
    shutil.copytree(settings.PORTAL_DATA_DIR, own_data)
    with copied_database(tmp_path) as copy:
        each = [{}, {"DATABASE_URL": copy, "PORTAL_DATA_DIR": str(own_data)}]
        with Racers(tmp_path, 2, each=each) as running:
            for act in acts:
                assert running.race([act, act], [0.0, 0.0]) == ["done", "done"]
        mine = ends_of(database_url())
        theirs = ends_of(copy)
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


Ends = dict[int, tuple[str, str, str]]
ASKED = "SELECT change_id, state, outcome, merge_commit FROM deployments_mergeintent"


def ends_of(address: str) -> Ends:
    """Change → state, code of the outcome and commit of its decision, as the database at ``address`` has them."""
    if address.startswith("sqlite"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as database:
            rows = database.execute(ASKED).fetchall()
    else:
        import psycopg

        with psycopg.connect(address) as database:
            rows = database.execute(ASKED).fetchall()
    found: Ends = {}
    for change, state, outcome, commit in rows:
        told = json.loads(outcome) if isinstance(outcome, str) else outcome
        found[change] = (state, told.get("code", ""), commit)
    return found
