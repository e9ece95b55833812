"""What loads when (UX §2.5). The first response is the file list and the first rows, whatever the size.

Closing a file depends on sizes, on Git's own judgement of binary, and on well-known names of lock files and vendored
folders together with a size; never on ``.gitattributes``, nor on a comment that says "generated": the author of a change
controls those, and could close what should be read. A closed file keeps its name, counts and reason on the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from apps.diffs.files import FileChange, FileFacts

SMALL_LINES = 3_000
MEDIUM_LINES, MEDIUM_FILES = 40_000, 2_000
INLINE_FILES = 10
SHELLS_PER_PAGE = 500
CLOSED_LINES, CLOSED_BYTES = 1_500, 500_000
# A small change of a lock file or a vendored file is read like any other, or a name would be a place to hide.
NAMED_LINES = 100
LOCK_NAMES = frozenset({
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "go.sum",
    "cargo.lock", "poetry.lock", "pipfile.lock", "uv.lock", "gemfile.lock",
    "composer.lock", "chart.lock", "requirements.lock", ".terraform.lock.hcl", "flake.lock", "bun.lockb",
})  # fmt: skip
VENDORED_FOLDERS = frozenset({"vendor", "node_modules", "third_party"})
Display = Literal["inline", "load", "closed"]


@dataclass(frozen=True, slots=True)
class FilePlan:
    """How one file first appears; ``reason`` in words when closed, such as "4,210 changed lines"."""

    change: FileChange
    display: Display
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """``tier`` 1 (all), 2 (ten files, shells) or 3 (shells by folder, ``SHELLS_PER_PAGE`` a page), files in order.

    ``folders``: how many files of the whole difference each folder has, where files stand under their folders (tier 3).
    """

    tier: int
    files: tuple[FilePlan, ...]
    folders: Mapping[str, int] = field(default_factory=dict)

    @property
    def not_displayed(self) -> tuple[FilePlan, ...]:
        """What the review form has to name."""
        return tuple(item for item in self.files if item.display == "closed")

    def page(self, start: int = 0) -> Plan:
        """The files of one page: the first one, or the one that begins with file ``start``."""
        return replace(self, files=self.files[start : start + SHELLS_PER_PAGE])


def folder_of(change: FileChange) -> str:
    """The folder of a file as it is shown, empty at the top."""
    return change.display_path.rpartition("/")[0]


def closed_reason(change: FileChange, facts: FileFacts | None) -> str:
    """Why this file is not opened by itself; empty when it is."""
    if facts is None:
        return ""
    if facts.kind == "binary":
        return "Binary file"
    return _size_reason(facts) or _name_reason(change.path, facts.changed)


def _size_reason(facts: FileFacts) -> str:
    if facts.changed > CLOSED_LINES:
        return f"Large: {facts.changed:,} changed lines"
    if facts.patch_bytes > CLOSED_BYTES:
        return f"Large: {facts.patch_bytes:,} bytes of difference"
    return ""


def _name_reason(path: str, changed: int) -> str:
    if changed <= NAMED_LINES:
        return ""
    *folders, name = path.split("/")
    if name.lower() in LOCK_NAMES:
        return f"Lock file: {changed:,} changed lines"
    if VENDORED_FOLDERS.intersection(folders):
        return f"Vendored: {changed:,} changed lines"
    return ""


def plan(changes: Sequence[FileChange], facts: Mapping[str, FileFacts], *, lines: int | None = None) -> Plan:
    """The plan of a page. ``facts`` by file id; while some are not known, the change counts as tier 2 at least.

    ``lines`` is the sum of changed lines where it is known before the facts are. In tier 3 the files of a folder stand
    together, folders in the order in which the list first names them.
    """
    known = [facts[change.id] for change in changes if change.id in facts]
    tier = _tier(len(changes), max(lines or 0, sum(item.changed for item in known)), len(known) == len(changes))
    limit = {1: len(changes), 2: INLINE_FILES, 3: 0}[tier]
    files: list[FilePlan] = []
    opened = 0
    for change in _by_folder(changes) if tier == 3 else changes:
        reason = closed_reason(change, facts.get(change.id))
        if reason:
            files.append(FilePlan(change, "closed", reason))
            continue
        files.append(FilePlan(change, "inline" if opened < limit else "load"))
        opened += 1
    folders = Counter(folder_of(change) for change in changes) if tier == 3 else {}
    return Plan(tier, tuple(files), folders)


def _tier(files: int, lines: int, counted: bool) -> int:  # three facts of one change
    if lines > MEDIUM_LINES or files > MEDIUM_FILES:
        return 3
    return 1 if counted and lines <= SMALL_LINES else 2


def _by_folder(changes: Sequence[FileChange]) -> list[FileChange]:
    groups: dict[str, list[FileChange]] = {}
    for change in changes:
        groups.setdefault(folder_of(change), []).append(change)
    return [change for group in groups.values() for change in group]
