"""What a check found, or why it did not run: nobody must take the one for the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

ERROR, WARNING = "error", "warning"
MOST = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """``check`` names the rule; ``text`` quotes no value; ``field`` is the place in the resource, ``path`` and ``line`` in
    the repository, as far as they are known. ``is_new``: it was not there before the change."""

    check: str
    level: str
    text: str
    resource: str = ""
    field: str = ""
    path: str = ""
    line: int = 0
    is_new: bool = False

    @property
    def place(self) -> str:
        """``app/web.yaml:12``."""
        return f"{self.path}:{self.line}" if self.path and self.line else self.path

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same finding on another side: lines move."""
        return (self.check, self.level, self.text, self.resource, self.field)


@dataclass(frozen=True, slots=True)
class Checked:
    """One side. ``not_checked`` says why there are no findings, which then means nothing; ``unknown`` what was left out
    because no schema knows it; ``more``: findings that are not listed. ``passing``: another attempt may be able to check."""

    tool: str = ""
    against: str = ""
    findings: tuple[Finding, ...] = ()
    unknown: tuple[str, ...] = ()
    more: int = 0
    not_checked: str = ""
    passing: bool = False

    @property
    def errors(self) -> int:
        """How many of the listed findings are errors."""
        return sum(finding.level == ERROR for finding in self.findings)

    def compared(self, before: Checked) -> Checked:
        """With what is new, first. Nothing is called new where the side before was not checked."""
        known = {finding.key for finding in before.findings}
        told = not before.not_checked and not before.more
        marked = [replace(one, is_new=told and one.key not in known) for one in self.findings]
        return replace(self, findings=tuple(sorted(marked, key=lambda one: (not one.is_new, one.level != ERROR))))

    def said(self, clean: Callable[[str], str]) -> Checked:
        """Every text of it through ``clean``."""
        found = tuple(
            replace(one, text=clean(one.text), resource=clean(one.resource), field=clean(one.field))
            for one in self.findings
        )
        unknown = tuple(map(clean, self.unknown))
        return replace(self, findings=found, unknown=unknown, not_checked=clean(self.not_checked))

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Checked:
        """The way back."""
        found = tuple(Finding(**one) for one in value["findings"])
        return cls(**{**value, "findings": found, "unknown": tuple(value["unknown"])})
