"""``manage.py check_config PATH``: is this policy valid, and if not, where and how to repair it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from apps.core.command import PortalCommand
from apps.policies.codeowners import LOCATIONS, parse_bytes
from apps.policies.config import Problem, has_errors, parse_portal_yaml
from apps.policies.config.effects import MODULE_SUFFIX
from apps.policies.reading import PORTAL_PATH, located_modules
from apps.policies.rego.modules import MOST_BYTES, modules_of


class Command(PortalCommand):
    help = "Check a portal.yaml, a CODEOWNERS file, or both of a checked-out repository, with its modules of Rego."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="a portal.yaml, a CODEOWNERS file, or the folder of a repository")

    def handle(self, *_args: Any, path: Path, **_options: Any) -> None:
        """Print every problem as ``file:line:column: severity: message fix``; exit status 1 on errors."""
        files = _files(path)
        found = [(file, problem) for file in files for problem in _check(file)]
        found += _check_modules(path) if path.is_dir() else []
        for file, problem in found:
            place = f"{file}:{problem.line}:{problem.column}"
            self.stdout.write(f"{place}: {problem.severity}: {problem.message} {problem.fix}".rstrip())
        if has_errors(problem for _, problem in found):
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


def _check_modules(root: Path) -> list[tuple[Path, Problem]]:
    """Of a checked-out repository whose portal.yaml names modules of Rego."""
    file = root / PORTAL_PATH
    config = parse_portal_yaml(file.read_bytes()).config if file.is_file() else None
    if config is None or not config.rego.directory:
        return []
    folder = root / config.rego.directory
    if folder.is_symlink() or not folder.is_dir():
        fix = "Put modules of Rego there, or remove `rego`."
        return [(file, Problem(config.rego.line, 0, "rego", f"`{config.rego.directory}` is no folder.", fix))]
    paths = sorted(path for path in folder.rglob(f"*{MODULE_SUFFIX}"))
    modules = modules_of({path.relative_to(root).as_posix(): _content(path) for path in paths})
    return [(root / row.file, row.problem) for row in located_modules(modules, config.rego.line)]


def _content(path: Path) -> bytes | str:
    if path.is_symlink():
        return "a symbolic link"
    if not path.is_file():
        return "a folder"
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)
