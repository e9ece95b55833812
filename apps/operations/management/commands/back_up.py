"""``manage.py back_up``: a copy of what the portal holds outside of PostgreSQL, taken while it runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connection

from apps.core.command import PortalCommand

NOT_COPIED = ("*.key", "checks", "static")
"""Of the data directory: keys are kept apart from what they open, the rest is made anew."""


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
        database = self._copy_database(target)
        _copy_files(source, target, database)
        target.chmod(0o700)  # whatever the data directory allows
        self.stdout.write(f"Backed up into {target}. Keys are not in it.")

    def _copy_database(self, target: Path) -> str:
        """Its name, if it is a file. Before the files: a mirror may be newer than the database, never older."""
        if connection.vendor != "sqlite":
            self.stderr.write("The database is not in it: PostgreSQL is backed up by pg_dump, before this.")
            return ""
        name = Path(connection.settings_dict["NAME"]).name
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target / name)])
        return name


def _copy_files(source: Path, target: Path, database: str) -> None:
    """Without the database and what lies beside it: the journal of one moment on the file of another destroys it.

    Workers make and remove files meanwhile, so one that is gone when its turn comes is not missing.
    """
    left_out = shutil.ignore_patterns(f"{database}*" if database else "", *NOT_COPIED)

    def ignored(folder: str, names: list[str]) -> set[str]:
        return set(left_out(folder, names)) if Path(folder) == source else set()

    try:
        shutil.copytree(
            source, target, symlinks=True, ignore=ignored, copy_function=_copy_what_is_there, dirs_exist_ok=True
        )
    except shutil.Error as found:
        problems = [reason for path, _, reason in found.args[0] if Path(path).exists()]
        if problems:
            raise CommandError(f"Not everything could be copied: {problems[0]}") from found


def _copy_what_is_there(source: str, target: str) -> None:
    """Files and links; a pipe of a running step has no content to keep."""
    try:
        if Path(source).is_symlink() or Path(source).is_file():
            shutil.copy2(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return
