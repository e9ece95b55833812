"""A newer database serves the version before it: what a rolling upgrade and a way back rest on (docs/operations.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.fields import NOT_PROVIDED

BEFORE_THE_PROMISE = {
    "accounts": 4, "api": 1, "audit": 3, "changes": 11, "deployments": 30, "policies": 2, "repositories": 3, "reviews": 13,
}  # fmt: skip
"""The last number of each app that promised nothing."""
NO_LONGER_KNOWN: dict[tuple[str, str], str] = {}
"""Migrations that take away what the version before has forgotten already, and which version that was."""
TAKES_AWAY = (
    migrations.RemoveField, migrations.DeleteModel, migrations.RenameField, migrations.RenameModel, migrations.AlterModelTable,
)  # fmt: skip


@pytest.fixture(scope="module")
def loader() -> MigrationLoader:
    return MigrationLoader(None)


def own(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    for app, name in sorted(loader.disk_migrations):
        if loader.disk_migrations[app, name].__module__.startswith("apps."):
            yield app, name


def flat(operations: list[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, migrations.SeparateDatabaseAndState):
            yield from flat(list(operation.database_operations))
        else:
            yield operation


def problems(loader: MigrationLoader, app: str, name: str) -> list[str]:
    """What the version before could not do on the tables of this migration."""
    operations = list(flat(loader.disk_migrations[app, name].operations))
    state = loader.project_state((app, name), at_end=False)
    return [f"{app} {name}: {problem}" for problem in broken(app, operations, state)]


def broken(app: str, operations: list[Operation], before: ProjectState) -> Iterator[str]:
    made = {one.name.lower() for one in operations if isinstance(one, migrations.CreateModel)}
    for one in operations:
        if isinstance(one, TAKES_AWAY):
            yield one.describe()
        elif not isinstance(one, (migrations.AddField, migrations.AlterField)) or not must_be_filled(one.field):
            continue
        elif isinstance(one, migrations.AddField) and one.model_name.lower() not in made:
            yield f"{one.model_name}.{one.name} is NOT NULL and has no db_default"
        elif isinstance(one, migrations.AlterField) and was_nullable(before, app, one):
            yield f"{one.model_name}.{one.name} becomes NOT NULL and has no db_default"


def was_nullable(before: ProjectState, app: str, altered: migrations.AlterField) -> bool:
    model = before.models.get((app, altered.model_name.lower()))
    return bool(model and altered.name in model.fields and model.fields[altered.name].null)


def must_be_filled(field: Any) -> bool:
    """An INSERT that does not know the column fails."""
    has_column = not isinstance(field, (models.ManyToManyField, models.GeneratedField))
    return has_column and not field.null and field.db_default is NOT_PROVIDED


def test_the_version_before_can_write_into_the_tables_of_every_new_migration(loader: MigrationLoader) -> None:
    found = [
        problem
        for app, name in own(loader)
        if int(name[:4]) > BEFORE_THE_PROMISE.get(app, 0) and (app, name) not in NO_LONGER_KNOWN
        for problem in problems(loader, app, name)
    ]
    assert not found, (
        "A NOT NULL column needs db_default, and what is taken away or renamed must be unknown to the version before."
    )


def test_what_broke_it_in_the_past_is_found(loader: MigrationLoader) -> None:
    (found,) = problems(loader, "deployments", "0024_report_logs")
    assert found.endswith("logged is NOT NULL and has no db_default")
    assert not problems(loader, "deployments", "0026_became_live")


def test_what_takes_something_away_or_demands_it_is_found(loader: MigrationLoader) -> None:
    before = loader.project_state(("deployments", "0030_seen_health"))
    lease = before.models["deployments", "deployment"].fields["lease_until"]
    assert lease.null
    operations: list[Operation] = [
        migrations.RemoveField("deployment", "lease_until"),
        migrations.RenameField("deployment", "lease_until", "held_until"),
        migrations.AlterField("deployment", "lease_until", models.DateTimeField()),
        migrations.AlterField("deployment", "status", models.CharField(max_length=90)),
        migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("new", "count", models.IntegerField()),
    ]
    assert len(list(broken("deployments", operations, before))) == 3


@pytest.mark.parametrize(
    ("field", "breaks"),
    [
        (models.BooleanField(default=False), True),
        (models.BooleanField(default=False, db_default=False), False),
        (models.TextField(null=True), False),
        (models.ManyToManyField("changes.ChangeRequest"), False),
    ],
)
def test_a_default_that_only_the_program_knows_is_no_default_of_the_table(field: Any, breaks: bool) -> None:
    assert must_be_filled(field) is breaks
