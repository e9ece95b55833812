"""Whether what runs is still what was deployed: what a way of deploying can say of it, as values. Pure.

What is compared is always the ledger: what the last successful deployment brought. Never the newest commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from apps.core.errors import Unavailable
from apps.core.text import start_of_difference
from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.remote import plain, plain_name
from apps.rendering.comparing import words
from apps.rendering.model import ABSENT, UNKNOWN, FieldChange, Step

MOST_FINDINGS = 200
"""Of one target; more are counted, not kept."""
MOST_VALUE = 2000
"""Characters of one value that are kept."""
FIELD, MISSING, ANOTHER, EXTRA, TOLD = "field", "missing", "another", "extra", "told"
KINDS = (FIELD, MISSING, ANOTHER, EXTRA, TOLD)
"""A field differs; the resource is gone; another one has its name; one too many; or only the other system says that it differs."""
NOTHING = "nothing"
_LED = 40


class CannotTell(Unavailable):
    """The check came to no answer: neither "in sync" nor "drifted" is known, and the words say why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, without secrets. ``wanted``: as it was deployed; ``found``: as it is; both are words for people.

    ``resource`` is whole (``Deployment web/shop``), ``path`` empty where the finding is about all of it. ``is_exact``: both
    words are the JSON of the values, whole, so that the values can be had from them. ``digest``: of all that is known of the
    difference, which the words may show shortened. ``is_vague``: only that it differs is known, not how.
    """

    resource: str
    kind: str
    path: str = ""
    wanted: str = ""
    found: str = ""
    is_exact: bool = False
    digest: str = ""
    is_vague: bool = False

    def mark(self, target: str) -> str:
        """By which it is accepted: another value is another finding, also where the words of both are the same."""
        parts = [target, self.resource, self.kind, self.path, self.wanted, self.found, self.digest]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def to_dict(self) -> dict[str, str | bool]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Found:
    """What a look told. ``not_looked``: what of the target it never says anything about, in sentences.

    ``problems``: what it should have compared and could not; with one of them nothing is in sync. ``looked_at``: how many
    resources were compared.
    """

    findings: tuple[Finding, ...] = ()
    not_looked: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    looked_at: int = 0


class FindsDrift(Protocol):
    """A dispatcher that can say whether what it brought is still there. Changes nothing, and may be asked at any time."""

    def find_drift(self, run: Run) -> Found:
        """``run`` is the attempt that made the live state. Raises :class:`CannotTell`, or any :class:`Unavailable`."""


def at_other_commit(run: Run, who: str, commit: str) -> tuple[str, ...]:
    """The note that ``who`` is at another commit which brings the environment the same; nothing at our own."""
    if commit == run.commit:
        return ()
    return (
        f"{who} is at {commit[:12]}, which contains {run.commit[:12]}: nothing between them reaches this environment.",
    )


def value_words(value: Any, most: int = MOST_VALUE) -> str:
    """A value for people: JSON, bounded. A mapping or a list stands on one line."""
    if value is ABSENT:
        return NOTHING
    if value is UNKNOWN:
        return "not known"
    return plain(_json(value), most)


def both_words(one: Any, other: Any, most: int = MOST_VALUE) -> tuple[str, str]:
    """Two values that differ. What would read alike, because it is cut or by characters that are not seen, is told as JSON in
    which these are escaped, from shortly before the place where it differs.
    """
    sides = value_words(one, most), value_words(other, most)
    if sides[0] != sides[1]:
        return sides
    left, right = (json.dumps(value, default=str, sort_keys=True) for value in (one, other))
    start = start_of_difference(left, right, _LED)
    lead = "…" if start else ""
    return f"{lead}{left[start:]}"[:most], f"{lead}{right[start:]}"[:most]


def _json(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, sort_keys=True)


def of_field(resource: str, change: FieldChange) -> Finding:
    """``before`` of the change is what was deployed, ``after`` what is there."""
    return of_values(resource, change.path, change.before, change.after)


def of_values(resource: str, path: Iterable[Step], wanted: Any, found: Any) -> Finding:
    """A field that differs, with both of its values, without secrets."""
    steps, sides = list(path), (wanted, found)
    return Finding(
        resource,
        FIELD,
        path_words(steps),
        *both_words(wanted, found),
        is_exact=all(value_words(value) == _json(value) for value in sides),
        digest=digest_of(resource, steps, *sides),
        is_vague=any(value is UNKNOWN for value in sides),
    )


def digest_of(*parts: Any) -> str:
    """Of all of that, however long. What is absent or not known is no text that a value could have, too."""
    signs = {id(ABSENT): "absent", id(UNKNOWN): "unknown"}
    text = "\n".join(signs.get(id(part)) or _json(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def path_words(path: Iterable[Step]) -> str:
    return plain_name(words(path))
