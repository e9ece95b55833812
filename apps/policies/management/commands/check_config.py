"""``manage.py check_config PATH``: is this policy valid, and if not, where and how to repair it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.policies.codeowners import LOCATIONS, parse_bytes
from apps.policies.config import Problem, has_errors, parse_portal_yaml
from apps.policies.reading import PORTAL_PATH


class Command(BaseCommand):
    help = "Check a portal.yaml, a CODEOWNERS file, or both of a checked-out repository."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="a portal.yaml, a CODEOWNERS file, or the folder of a repository")

    def handle(self, *_args: Any, path: Path, **_options: Any) -> None:
        """Print every problem as ``file:line:column: severity: message fix``; exit status 1 on errors."""
        files = _files(path)
        broken = False
        for file in files:
            problems = _check(file)
            broken = broken or has_errors(problems)
            for problem in problems:
                place = f"{file}:{problem.line}:{problem.column}"
                self.stdout.write(f"{place}: {problem.severity}: {problem.message} {problem.fix}".rstrip())
        if broken:
            sys.exit(1)
        names = " and ".join(str(file) for file in files)
        self.stdout.write(f"{names}: valid." if files else f"{path}: no policy files, so the defaults hold.")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    owners = [path / name for name in LOCATIONS if (path / name).exists()]
    return [file for file in (path / PORTAL_PATH, *owners[:1]) if file.exists()]


def _check(file: Path) -> tuple[Problem, ...]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    return parse_bytes(data).problems if file.name == "CODEOWNERS" else parse_portal_yaml(data).problems
