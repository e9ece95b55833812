"""What is known of drift, in the words of the board: never a good word for something that nobody has looked at lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.deployments.queries.drift import ACCEPTED, DRIFTED, IN_SYNC, NEVER, STALE, UNKNOWN, Drift
from apps.presentation.moments import seconds_until
from apps.presentation.words import word_of


@dataclass(frozen=True, slots=True)
class DriftWord:
    """A key of the words with the text that is shown, and the moment behind it: ``In sync`` ``checked`` 4 min ago."""

    known: Drift
    text: str
    led: str = ""
    at: datetime | None = None

    @property
    def key(self) -> str:
        return f"drift_{self.known.state}"

    @property
    def lasts(self) -> int | None:
        """For how many seconds more the look is believed; ``None``: nobody believes it now, or there was none."""
        return seconds_until(self.known.old_at)

    @property
    def is_absolute(self) -> bool:
        """Old news is told by its time, so that nobody takes it for fresh."""
        return self.known.state == STALE


def drift_word(found: Drift) -> DriftWord:
    """The badge of one environment."""
    text = word_of(f"drift_{found.state}").text
    if found.state == DRIFTED:
        return DriftWord(found, f"{text}: {counted(found)}", "", found.since)
    led = {IN_SYNC: "checked", ACCEPTED: "checked", UNKNOWN: "asked", STALE: "since", NEVER: ""}[found.state]
    return DriftWord(found, text, led, found.checked_at)


def counted(found: Drift) -> str:
    """``2 fields in 1 resource``."""
    fields = f"{found.fields} {'field' if found.fields == 1 else 'fields'}"
    return f"{fields} in {found.resources} {'resource' if found.resources == 1 else 'resources'}"
