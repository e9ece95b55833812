"""The schema of the test database, made by the migrations once and then copied: they take longer than most files of tests.

The copy is named after all that it depends on, so a change of a migration, of a model or of a library makes another one.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from contextlib import ExitStack, closing
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from django.core import management
from django.db import connections

ROOT = Path(__file__).resolve().parents[2]
ON_WHICH_IT_DEPENDS = ("apps/*/migrations/*.py", "apps/*/models.py", "apps/*/models/*.py", "apps/*/triggers.py",
                       "apps/core/**/*.py", "gitops_portal/settings.py", "gitops_portal/sign_in.py")  # fmt: skip


def digest() -> str:
    """Of the files and the libraries that make the schema and what the migrations write."""
    found = hashlib.sha256(f"{sys.version}\n{sqlite3.sqlite_version}\n".encode())
    found.update("\n".join(sorted(f"{one.name} {one.version}" for one in distributions())).encode())
    for pattern in ON_WHICH_IT_DEPENDS:
        for path in sorted(ROOT.glob(pattern)):
            found.update(f"\n{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:20]


_folders: list[Path] = []
"""Where copies of this run are; none outside pytest."""


def known() -> Path | None:
    """The copy, where this run has one."""
    found = [folder / f"{digest()}.sqlite3" for folder in _folders]
    return next((place for place in found if place.is_file()), None)


def copy_next(folder: Path) -> None:
    """The next ``migrate``, which is that of the test database, takes the copy in ``folder``, or makes it. SQLite only."""
    migrate = management.call_command
    _folders[:] = [folder]

    def call(name: str, *args: Any, **options: Any) -> Any:
        if name != "migrate":
            return migrate(name, *args, **options)
        management.call_command = migrate
        connection = connections[options["database"]]
        if connection.vendor != "sqlite":
            return migrate(name, *args, **options)
        place = folder / f"{digest()}.sqlite3"
        connection.ensure_connection()
        if place.is_file():
            _copy(place, connection.connection)
            return None
        migrate(name, *args, **options)
        half = place.with_suffix(f".{os.getpid()}")
        _copy(connection.connection, half)
        half.replace(place)  # of several workers the last one wins: theirs are equal
        return None

    management.call_command = call


def _copy(source: Path | sqlite3.Connection, target: Path | sqlite3.Connection) -> None:
    with ExitStack() as opened:
        begin, end = (
            opened.enter_context(closing(sqlite3.connect(one))) if isinstance(one, Path) else one
            for one in (source, target)
        )
        begin.backup(end)
