"""``manage.py back_up``: a copy of what the portal holds outside of PostgreSQL, taken while it runs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connection

from apps.audit.published import git_dir
from apps.core.command import PortalCommand
from apps.vcs.objects import is_sound

NOT_COPIED = ("*.key", "checks", "static", "reserve", "before")
"""Of the data directory: keys are kept apart from what they open, the rest is made anew, kept for a full disk, or was set aside."""
FIRST = ("refs", "packed-refs", "HEAD")
"""Git writes a ref after what it leads to, so a ref that is copied before the objects leads nowhere else. Loose refs move into packed ones."""


class Command(PortalCommand):
    help = (
        "Copy the SQLite database and the data directory, while the portal runs, into a directory that can take its place. "
        "Keys are left out: keep them apart. With PostgreSQL run pg_dump first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, help="it must not exist yet")

    def handle(self, *_args: Any, directory: Path, **_options: Any) -> None:
        source, target = Path(settings.PORTAL_DATA_DIR).resolve(), directory.resolve()
        if target.is_relative_to(source):
            raise CommandError(f"{target} is inside of the data directory, and would be copied into itself.")
        try:
            target.mkdir(mode=0o700, parents=True)
        except OSError as problem:
            raise CommandError(f"{target} cannot be made: {problem.strerror}.") from problem
        database = self._copy_database(source, target)
        _copy_files(source, target, database)
        target.chmod(0o700)  # whatever the data directory allows
        _require_whole(target / git_dir().name)
        self.stdout.write(f"Backed up into {target}. Keys are not in it.")

    def _copy_database(self, source: Path, target: Path) -> Path | None:
        """Where it is in the copy, if it is a file. Before the files: a mirror may be newer than the database, never older."""
        if connection.vendor != "sqlite":
            self.stderr.write("The database is not in it: PostgreSQL is backed up by pg_dump, before this.")
            return None
        place = Path(connection.settings_dict["NAME"]).resolve()
        is_inside = place.is_relative_to(source)
        name = place.relative_to(source) if is_inside else Path(place.name)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target / name)])
        if not is_inside:
            self.stderr.write(
                f"The database is kept outside of the data directory: put {target / name} back as {place}."
            )
        return name


def _copy_files(source: Path, target: Path, database: Path | None) -> None:
    """Without the database and what lies beside it: the journal of one moment on the file of another destroys it."""
    problems = list(_copy(source, target, Path(), database))
    if problems:
        raise CommandError(f"Not everything could be copied: {problems[0]}")


def _copy(source: Path, target: Path, name: Path, database: Path | None) -> Iterator[OSError]:
    """What is called ``name`` in both, and all below it; what could not be copied is told.

    Workers make and remove files meanwhile, so one that is gone when its turn comes is not missing. Files, links and folders:
    a pipe of a running step has no content to keep.
    """
    path = source / name
    try:
        if path.is_symlink() or path.is_file():
            shutil.copy2(path, target / name, follow_symlinks=False)
        elif path.is_dir():
            (target / name).mkdir(exist_ok=True)
            for one in _in_turn(path):
                if not _is_left_out(name / one, database):
                    yield from _copy(source, target, name / one, database)
            shutil.copystat(path, target / name)
    except FileNotFoundError:
        return
    except OSError as problem:
        if path.exists():
            yield problem


def _in_turn(folder: Path) -> Iterator[str]:
    """Names, of which the first may not exist, or only when their turn comes: the folder is read after them.

    The alphabet brings loose objects before the packs into which they move.
    """
    yield from FIRST
    yield from sorted(one.name for one in folder.iterdir() if one.name not in FIRST)


def _is_left_out(name: Path, database: Path | None) -> bool:
    if database and name.parent == database.parent and name.name.startswith(database.name):
        return True
    return name.parent == Path() and any(name.match(pattern) for pattern in NOT_COPIED)


def _require_whole(log: Path) -> None:
    """Of a mirror that is not, the next fetch makes a new one; on this log every act depends."""
    if log.exists() and not is_sound(log):
        raise CommandError(
            f"{log} is not whole, and a portal that is restored from it would do nothing. Run this again; if that does not help, "
            "audit.git of the data directory is damaged itself (docs/operations.md)."
        )
