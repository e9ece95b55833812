"""The modules of one version of the policy: which texts, whether they can be asked, and what they read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apps.policies.problems import NOTICE, Problem
from apps.policies.rego.asking import RegoFailed, ask

MOST_MODULES = 50
MOST_BYTES = 64_000
MOST_BYTES_TOGETHER = 256_000
TESTS = "_test.rego"
"""Modules with this ending are tests for tools on a desk; the portal does not read them."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}")
_KEPT = 64
_REMEDY = "docs/gates.md has an example."


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A problem and the module in which it stands (empty: all of them)."""

    file: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Modules:
    """``texts`` are paths with contents. ``reads``: which fields of ``input``; ``places``: where ``merge.deny`` and the like
    are defined first. ``None``: they cannot be asked, and ``problems`` say why.
    """

    texts: tuple[tuple[str, str], ...] = ()
    problems: tuple[FileProblem, ...] = ()
    reads: tuple[str, ...] = ()
    places: Mapping[str, tuple[str, int]] | None = None

    @property
    def digest(self) -> str:
        """Names paths and contents (SHA-256)."""
        return hashlib.sha256(json.dumps(self.texts).encode()).hexdigest()

    def asked(self, stage: str) -> tuple[str, ...]:
        """Which of ``deny``, ``require`` and ``warn`` there are at a stage."""
        return tuple(name.partition(".")[2] for name in self.places or () if name.startswith(f"{stage}."))


def modules_of(contents: Mapping[str, bytes | str]) -> Modules:
    """Modules by path, each its bytes, or in words what it is in place of a file. Never raises: problems say what is wrong."""
    wanted = {path: found for path, found in sorted(contents.items()) if not path.endswith(TESTS)}
    problems = [
        FileProblem(path, Problem(0, 0, "", *_odd(path, found))) for path, found in wanted.items() if _odd(path, found)
    ]
    if not wanted:
        text = "There is no module of Rego in the folder that `rego` names."
        problems.append(FileProblem("", Problem(0, 0, "rego", text, f"Add one, or remove `rego`. {_REMEDY}")))
    together = sum(len(found) for found in wanted.values())
    if len(wanted) > MOST_MODULES or together > MOST_BYTES_TOGETHER:
        text = f"There are {len(wanted)} modules of {together:,} bytes."
        fix = f"At most {MOST_MODULES} modules of {MOST_BYTES_TOGETHER:,} bytes together are read."
        problems.append(FileProblem("", Problem(0, 0, "rego", text, fix)))
    texts = (
        tuple((path, found.decode()) for path, found in wanted.items() if isinstance(found, bytes))
        if not problems
        else ()
    )
    return Modules(problems=tuple(problems)) if problems else _inspected(texts)


def _odd(path: str, found: bytes | str) -> tuple[str, str] | tuple[()]:
    """What is wrong with one file, and the remedy."""
    if not _NAME.fullmatch(path) or ".." in path:
        return "The name of this module has other characters than letters, digits and `._/-`.", "Rename it."
    if isinstance(found, str):
        return f"It is {found}, not a file.", "Put a regular file there."
    if len(found) > MOST_BYTES:
        return f"It has {len(found):,} bytes.", f"At most {MOST_BYTES:,} bytes of a module are read; split it."
    try:
        text = found.decode()
    except UnicodeDecodeError as error:
        line = found[: error.start].count(b"\n") + 1
        return f"It is not UTF-8 text (line {line}).", "Save it as UTF-8."
    return ("It holds a NUL.", "Remove it.") if "\0" in text else ()


def _inspected(texts: tuple[tuple[str, str], ...]) -> Modules:
    """Asked once for these texts. What is not the modules' doing is told as a notice, and asked again the next time."""
    try:
        return _inspect(texts)
    except RegoFailed as failed:
        text = f"The modules of Rego could not be checked here: {failed.message}."
        problem = Problem(0, 0, "rego", text, "While that is so, they hold every change.", NOTICE)
        return Modules(texts, (FileProblem("", problem),))


@lru_cache(maxsize=_KEPT)
def _inspect(texts: tuple[tuple[str, str], ...]) -> Modules:
    """Raises :class:`RegoFailed` for what may be otherwise the next time, so that it is not kept."""
    try:
        found: dict[str, Any] = json.loads(ask(texts, (), "{}"))
    except RegoFailed as failed:
        if not failed.is_theirs:
            raise
        problem = Problem(
            failed.line, failed.column, "", f"It is no valid Rego: {failed.message.rstrip('.')}.", _REMEDY
        )
        return Modules(texts, (FileProblem(failed.file, problem),))
    problems = [
        FileProblem(row["file"], Problem(row["line"], row["column"], "", row["message"], row["fix"]))
        for row in found["problems"]
    ]
    places = {name: (file, line) for name, (file, line) in found["places"].items()}
    if not places and not problems:
        text = "No module defines `deny`, `require` or `warn` in the package portal.merge or portal.deploy, so nobody asks them."
        problems.append(FileProblem("", Problem(0, 0, "rego", text, _REMEDY)))
    return Modules(texts, tuple(problems), tuple(found["reads"]), None if problems else places)
