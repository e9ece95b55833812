"""How what was deployed does now, long after its deployment: what a way of deploying can say of that, as values. Pure.

It is asked with each look for drift, and apart from it: something may differ and do well, or be as it was deployed and be down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.words import joined

HEALTHY, DEGRADED, DOWN, UNKNOWN = "healthy", "degraded", "down", "unknown"
WORDS = (HEALTHY, DEGRADED, DOWN, UNKNOWN)
WORST_FIRST = (DOWN, DEGRADED, UNKNOWN, HEALTHY)
Part = tuple[str, str, str]
"""One resource that has a state of its own: its name for people, one of :data:`WORDS`, and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """``word``: one of :data:`WORDS`; ``why``: what is not well, or why it is not known. Without secrets."""

    word: str
    why: str = ""


class TellsHealth(Protocol):
    """A dispatcher that can say how what it brought does. Changes nothing, and may be asked at any time."""

    def find_health(self, run: Run) -> Standing:
        """``run`` is the attempt that made the live state. Raises any :class:`Unavailable`."""


def of_parts(parts: Iterable[Part]) -> Standing:
    """Down where nothing is up, degraded where something is not; healthy only where all of it was seen to be."""
    found = list(parts)
    bad = [part for part in found if part[1] in {DEGRADED, DOWN}]
    if bad:
        is_down = all(word == DOWN for _, word, _ in found)
        return Standing(DOWN if is_down else DEGRADED, named(bad))
    unseen = [part for part in found if part[1] != HEALTHY]
    if unseen:
        names = joined(f"{name} ({why})" if why else name for name, _, why in unseen)
        return Standing(UNKNOWN, f"The state of {names} cannot be read.")
    return Standing(HEALTHY) if found else Standing(UNKNOWN, "Nothing of it has a state that could be read.")


def worst(found: Iterable[Standing]) -> Standing:
    """What is worst of several that say something about the same, with all that is not well."""
    told = list(found)
    word = next(word for word in WORST_FIRST if any(one.word == word for one in told))
    return Standing(word, " ".join(one.why for one in told if one.word == word and one.why))


def named(parts: Iterable[Part]) -> str:
    """The first of them, each with what is wrong."""
    return joined(f"{name} ({why or word})" for name, word, why in parts)
