"""CODEOWNERS: who answers for which path. GitHub's and GitLab's syntax; pure.

Sources: GitHub "About code owners"; GitLab "Code Owners syntax and error handling" (sections, optional
sections, approval counts, default owners, exclusions). Within a section the last matching line wins;
sections are independent of each other; a GitLab exclusion (``!pattern``) is final within its section.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from apps.core.patterns import Pattern, PatternError, compile_pattern
from apps.core.text import is_storable
from apps.policies.problems import ERROR, NOTICE, Problem, has_errors

LOCATIONS = (".github/CODEOWNERS", ".gitlab/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
MAX_BYTES = 1024 * 1024
MAX_LINES = 20_000
MAX_APPROVALS = 20

_SECTION = re.compile(r"(?P<optional>\^)?\[(?P<name>[^\[\]]+)\](?:\[(?P<count>[^\[\]]*)\])?(?:[ \t]+(?P<owners>\S.*))?")
_OWNER = re.compile(r"@@?[^\s@/]+(?:/[^\s@/]+)*|[^\s@]+@[^\s@]+")


@dataclass(frozen=True, slots=True)
class OwnerMatch:
    """The line of one section that decides for a path. ``section`` is ``""`` outside of sections."""

    section: str
    optional: bool
    approvals: int
    owners: tuple[str, ...]
    line: int
    pattern: str


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    optional: bool = False
    approvals: int = 1
    owners: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. ``section`` is the key of its section; no ``owners`` means that nobody needs to look."""

    section: str
    pattern: Pattern
    owners: tuple[str, ...]
    line: int
    excludes: bool = False


@dataclass(frozen=True, slots=True)
class CodeOwners:
    """A parsed file; sections and entries in the order of the file, sections by lower-case name."""

    entries: tuple[Entry, ...] = ()
    sections: tuple[Section, ...] = ()
    problems: tuple[Problem, ...] = ()
    _lines: Mapping[str, tuple[Entry, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lines: dict[str, tuple[Entry, ...]] = {}
        for section in self.sections:
            key = section.name.lower()
            lines[section.name] = tuple(entry for entry in reversed(self.entries) if entry.section == key)
        object.__setattr__(self, "_lines", lines)

    @property
    def is_valid(self) -> bool:
        return not has_errors(self.problems)

    @property
    def owners(self) -> tuple[str, ...]:
        """Every name in the file, in order, once: what the caller resolves to people."""
        return tuple(dict.fromkeys(owner for entry in self.entries for owner in entry.owners))

    def owners_of(self, path: str) -> tuple[OwnerMatch, ...]:
        """The deciding line of each section that names owners for ``path`` (relative, ``/`` between parts)."""
        segments = path.split("/")
        found = (self._decide(section, segments) for section in self.sections)
        return tuple(match for match in found if match is not None)

    def _decide(self, section: Section, segments: Sequence[str]) -> OwnerMatch | None:
        decisive: Entry | None = None
        for entry in self._lines[section.name]:  # the last line first
            if (decisive is None or entry.excludes) and entry.pattern.matches_segments(segments):
                if entry.excludes:
                    return None
                decisive = entry
        if decisive is None or not decisive.owners:
            return None
        return OwnerMatch(
            section.name, section.optional, section.approvals, decisive.owners, decisive.line, decisive.pattern.text
        )


@dataclass(slots=True)
class _Reading:
    """What has been read so far; ``current`` is the section that the next lines belong to."""

    sections: dict[str, Section] = field(default_factory=lambda: {"": Section("")})
    current: Section = field(default_factory=lambda: Section(""))
    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report(self, line: int, message: str, fix: str, severity: str = ERROR) -> None:
        self.problems.append(Problem(line, 1, f"line {line}", message, fix, severity))


def parse_bytes(data: bytes) -> CodeOwners:
    """Like :func:`parse`, for the bytes of the file."""
    if len(data) > MAX_BYTES:
        message = f"The file has {len(data):,} bytes; at most {MAX_BYTES:,} are read."
        return CodeOwners(problems=(Problem(0, 0, "", message, "Use patterns that cover whole folders."),))
    try:
        return parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return CodeOwners(
            problems=(Problem(line, 0, f"line {line}", "The file is not UTF-8 text.", "Save it as UTF-8."),)
        )


def parse(text: str) -> CodeOwners:
    """Read a whole file. Never raises: a line that cannot be understood is an error among ``problems``."""
    reading = _Reading()
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        reading.report(
            MAX_LINES + 1, f"The file has more than {MAX_LINES:,} lines.", "Use patterns that cover whole folders."
        )
    for number, raw in enumerate(lines[:MAX_LINES], start=1):
        if not is_storable(raw):
            reading.report(number, "This line holds a NUL: it looks like a binary file.", "Save it as plain text.")
            continue
        line = raw.strip(" \t\r\ufeff") if not raw.rstrip("\r").endswith("\\ ") else raw.strip("\t\r").lstrip(" ")
        if line and not line.startswith("#"):
            _read_line(reading, number, line)
    return CodeOwners(tuple(reading.entries), tuple(reading.sections.values()), tuple(reading.problems))


def _read_line(reading: _Reading, number: int, line: str) -> None:
    if line.startswith(("[", "^[")):
        _read_section(reading, number, line)
        return
    tokens = _tokens(line)
    pattern, owners = tokens[0], tokens[1:]
    excludes = pattern.startswith("!")
    try:
        compiled = compile_pattern(pattern[1:] if excludes else pattern)
    except PatternError as error:
        reading.report(
            number,
            f"`{pattern[:80]}` is no path pattern: {error}.",
            "Write a pattern as in .gitignore, such as `/infra/`.",
        )
        return
    _check_owners(reading, number, () if excludes else owners)
    named = () if excludes else tuple(dict.fromkeys(owners)) or reading.current.owners
    reading.entries.append(Entry(reading.current.name.lower(), compiled, named, number, excludes))


def _read_section(reading: _Reading, number: int, line: str) -> None:
    found = _SECTION.fullmatch(_without_comment(line))
    name = found["name"].strip() if found else ""
    if found is None or not name:
        reading.report(
            number, f"`{line[:80]}` is no section heading.", "Write `[Name]`, `^[Name]` or `[Name][2] @owner`."
        )
        return
    count = found["count"]
    approvals = int(count) if count and re.fullmatch(r"[0-9]{1,4}", count) else 0 if count is not None else 1
    if not 1 <= approvals <= MAX_APPROVALS:
        reading.report(
            number, f"`[{count}]` is no number of approvals from 1 to {MAX_APPROVALS}.", f"Write `[{name}][2]`."
        )
        approvals = MAX_APPROVALS
    owners = tuple(dict.fromkeys(_tokens(found["owners"]))) if found["owners"] else ()
    _check_owners(reading, number, owners)
    reading.current = Section(name, bool(found["optional"]), approvals, owners, number)
    known = reading.sections.get(name.lower())
    # Parts of a section that stands twice count together, in the stricter way.
    reading.sections[name.lower()] = (
        reading.current
        if known is None
        else replace(
            known,
            optional=known.optional and reading.current.optional,
            approvals=max(known.approvals, approvals),
        )
    )


def _check_owners(reading: _Reading, number: int, owners: Sequence[str]) -> None:
    for owner in owners:
        if not _OWNER.fullmatch(owner):
            message = f"`{owner[:80]}` names no owner, so nobody can approve in this name."
            reading.report(number, message, "Write `@user`, `@group/team` or an e-mail address.", NOTICE)


def _tokens(line: str) -> tuple[str, ...]:
    """Words between blanks; a backslash keeps the next character in its word (and stays, for the pattern)."""
    words: list[str] = []
    word = ""
    index = 0
    while index < len(line):
        char = line[index]
        if char == "\\" and index + 1 < len(line):
            word += line[index : index + 2]
            index += 2
            continue
        if char == "#" and not word:
            break
        if char in " \t":
            words += [word] if word else []
            word = ""
        else:
            word += char
        index += 1
    return tuple([*words, word] if word else words)


def _without_comment(line: str) -> str:
    return re.split(r"[ \t]+#", line, maxsplit=1)[0].rstrip()
