"""Clauses of ``when`` about the change itself: its size, who wrote it, and the time."""

from __future__ import annotations

from functools import lru_cache

from apps.core.patterns import Pattern, PatternError, compile_pattern
from apps.policies.config import GUEST_AUTHOR, SERVICE_AUTHOR, UNKNOWN_AUTHOR, When
from apps.policies.evaluation.facts import CannotEvaluate, Facts

_AUTHORS = {
    UNKNOWN_AUTHOR: "an address without an account",
    SERVICE_AUTHOR: "a service account",
    GUEST_AUTHOR: "somebody without the role author",
}


@lru_cache(maxsize=4096)
def pattern_of(text: str) -> Pattern:
    """A path pattern; :class:`CannotEvaluate` for what is none."""
    try:
        return compile_pattern(text)
    except PatternError as error:
        raise CannotEvaluate(f"`{text}` is no path pattern: {error}") from None


def when_not(when: When, facts: Facts) -> str:
    """Why a rule with these clauses is not needed here; ``""`` when they hold. Raises for what is not known."""
    return _too_small(when, facts) or _others_wrote(when, facts) or _other_time(when, facts)


def _too_small(when: When, facts: Facts) -> str:
    size = when.size
    if size is None:
        return ""
    if facts.files is None or facts.lines is None:
        raise CannotEvaluate("the size of the change is not known")
    if size.lines and facts.uncounted:
        return ""  # how many lines a binary file or a submodule stands for, nobody knows
    if (size.files and facts.files >= size.files) or (size.lines and facts.lines >= size.lines):
        return ""
    asked = [f"{number:,} {word}" for number, word in ((size.files, "files"), (size.lines, "lines")) if number]
    return f"Only from {' or '.join(asked)} on; this changes {facts.files:,} files and {facts.lines:,} lines."


def _others_wrote(when: When, facts: Facts) -> str:
    if not when.authors:
        return ""
    if facts.authors is None:
        raise CannotEvaluate("the contributors are not known")
    if set(when.authors) & set(facts.authors):
        return ""
    return f"Only where {' or '.join(_AUTHORS.get(kind, kind) for kind in when.authors)} contributed."


def _other_time(when: When, facts: Facts) -> str:
    if not when.windows:
        return ""
    if facts.lasting is None:
        raise CannotEvaluate("which windows last is not known")
    if set(when.windows) & set(facts.lasting):
        return ""
    return f"Only while {' or '.join(f'“{name}”' for name in when.windows)} lasts."
