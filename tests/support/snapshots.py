"""Worlds that are slow to build are built once in each process, and laid out again for every test: their rows and their files.

The files are always at the same place, because rows and mirrors name it.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from django.db import connection

Made = TypeVar("Made")
OF_THE_SCHEMA = {"django_migrations"}
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass
class Snapshot(Generic[Made]):
    """``build(place)`` makes the world with its files below ``place``. SQLite only: elsewhere it is built anew each time."""

    place: Path
    build: Callable[[Path], Made]
    _made: Made | None = None
    _rows: Rows = field(default_factory=dict)

    @property
    def _copy(self) -> Path:
        return self.place.with_name(f"{self.place.name}-copy")

    def laid_out(self) -> Made:
        """The world as it was built, whatever the test before did to it. The database has to be as the migrations leave it."""
        shutil.rmtree(self.place, ignore_errors=True)
        if self._made is None:
            self.place.mkdir(parents=True)
            made = self.build(self.place)
            if connection.vendor == "sqlite":
                self._keep(made)
            return made
        shutil.copytree(self._copy, self.place, symlinks=True)
        with connection.cursor() as cursor:
            for table, rows in self._rows.items():
                marks = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(f"INSERT OR REPLACE INTO {connection.ops.quote_name(table)} VALUES ({marks})", rows)
        return copy.deepcopy(self._made)

    def _keep(self, made: Made) -> None:
        shutil.copytree(self.place, self._copy, symlinks=True)
        self._made, self._rows = copy.deepcopy(made), {}
        with connection.cursor() as cursor:
            for table in sorted(set(connection.introspection.table_names(cursor)) - OF_THE_SCHEMA):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
                if rows := cursor.fetchall():
                    self._rows[table] = rows
