"""PostgreSQL is restored as docs/operations.md says: what the dump holds is there, nothing of the later database, or nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.pages import commands_of_postgres, commands_to_restore_postgres, recipes

OWNER, READER = f"restore_owner_{os.getpid()}", f"restore_reader_{os.getpid()}"


def server() -> str:
    found = os.environ.get("DATABASE_URL", "").rpartition("/")[0]
    if not found.startswith("postgres"):
        pytest.skip("NOT RUN: no DATABASE_URL of PostgreSQL")
    return found


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a database that belongs to somebody with no other rights, as a portal's does."""
    name = f"portal_restore_{os.getpid()}"
    with psycopg.connect(f"{server()}/postgres", autocommit=True) as connection:
        for role in (OWNER, READER):
            connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
        yield f"postgres://{OWNER}:secret@{server().rpartition('@')[2]}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        for role in (OWNER, READER):
            connection.execute(f"DROP ROLE IF EXISTS {role}")


def run_on(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def dumped(database: str, place: Path) -> Path:
    """A backup of two rows; then comes a third, and a newer version with a table that leads to the old one."""
    run_on(
        database,
        "CREATE TABLE change (number serial PRIMARY KEY, title text)",
        f"GRANT SELECT ON change TO {READER}",
        "INSERT INTO change (title) VALUES ('one'), ('two')",
    )
    file = place / "portal.dump"
    subprocess.run(["pg_dump", "--format=custom", f"--file={file}", database], check=True)
    run_on(
        database,
        "UPDATE change SET title = 'later' WHERE number = 1",
        "INSERT INTO change (title) VALUES ('three')",
        "CREATE TABLE note (number serial PRIMARY KEY, change int REFERENCES change)",
        "INSERT INTO note (change) VALUES (3)",
    )
    return file


def restored(database: str, place: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DATABASE_URL": database}
    command = ["sh", "-c", commands_to_restore_postgres()]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def tables(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").fetchall()
    return [name for (name,) in rows]


def titles(database: str) -> list[str]:
    with psycopg.connect(database) as connection:
        return [title for (title,) in connection.execute("SELECT title FROM change ORDER BY number").fetchall()]


@pytest.mark.postgres
def test_a_later_database_becomes_the_one_that_was_backed_up(database: str, tmp_path: Path) -> None:
    dumped(database, tmp_path)
    for _ in range(2):  # also the second time, when the schema is one that the first made
        done = restored(database, tmp_path)
        assert done.returncode == 0, done.stderr
        assert (tables(database), titles(database)) == (["change"], ["one", "two"])
        assert titles(database.replace(f"{OWNER}:", f"{READER}:")) == ["one", "two"], "grants are part of it"
    run_on(database, "INSERT INTO change (title) VALUES ('new')")
    assert titles(database)[-1] == "new", "numbers go on where they were"


@pytest.mark.postgres
def test_of_a_dump_that_is_cut_off_nothing_is_dropped(database: str, tmp_path: Path) -> None:
    file = dumped(database, tmp_path)
    file.write_bytes(file.read_bytes()[:-100])
    done = restored(database, tmp_path)
    assert done.returncode != 0
    assert "end of file" in done.stderr
    assert (tables(database), titles(database)) == (["change", "note"], ["later", "two", "three"])


@pytest.mark.postgres
def test_a_restore_that_fails_leaves_no_half_of_it(database: str, tmp_path: Path) -> None:
    dumped(database, tmp_path)
    run_on(database, f"REVOKE ALL ON change FROM {READER}")
    run_on(f"{server()}/postgres", f"DROP ROLE {READER}")
    done = restored(database, tmp_path)
    assert done.returncode != 0
    assert "does not exist" in done.stderr
    assert tables(database) == []


def test_both_recipes_restore_by_the_same_commands_and_none_cleans() -> None:
    found = [commands for recipe in recipes("operations.md") if (commands := commands_of_postgres(recipe))]
    assert len(found) == 2
    assert found[0] == found[1]
    assert "--clean" not in found[0]
