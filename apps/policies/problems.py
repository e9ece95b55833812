"""What is wrong with a policy file: where, what, and how to repair it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.text import visible

ERROR = "error"
NOTICE = "notice"
MOST_TEXT = 4_000
"""Characters: a key of a file may be as long as the file, and is repeated with each problem below it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in ``.gitops/portal.yaml`` or ``CODEOWNERS``.

    ``line`` and ``column`` count from 1 (0: the whole file); ``path`` is the place in the document
    (``rules[2].needs.from``); ``fix`` says what to write instead. An ``error`` makes the file invalid,
    a ``notice`` only tells something that the reader should know. Whatever is repeated of the file, every
    database can hold the texts, and they are no longer than :data:`MOST_TEXT`.
    """

    line: int
    column: int
    path: str
    message: str
    fix: str = ""
    severity: str = ERROR

    def __post_init__(self) -> None:
        for name in ("path", "message", "fix"):
            object.__setattr__(self, name, visible(getattr(self, name)[:MOST_TEXT]))

    def to_dict(self) -> dict[str, str | int]:
        """JSON-ready."""
        return {
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "message": self.message,
            "fix": self.fix,
            "severity": self.severity,
        }


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether any of them makes the file invalid."""
    return any(problem.severity == ERROR for problem in problems)
