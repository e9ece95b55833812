"""What runs otherwise than it was deployed, for the sides of a comparison that are what runs now. From the last checks; nothing is asked.

What was not checked lately is never taken for equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.deployments.models import DriftCheck
from apps.deployments.queries.comparing import Compared, Side
from apps.deployments.queries.drift import (
    ACCEPTED,
    DRIFTED,
    IN_SYNC,
    STALE,
    UNKNOWN,
    Drift,
    acceptances_of,
    drift_of,
    findings_of,
)
from apps.presentation.drift_page import TargetRows, target_rows
from apps.presentation.drift_words import DriftWord, drift_word


@dataclass(frozen=True, slots=True)
class SideDrift:
    """The last check of one target on one side; ``which``: ``from`` or ``to``. ``is_old``: it may be otherwise by now."""

    which: str
    side: Side
    rows: TargetRows
    is_old: bool

    @property
    def state(self) -> str:
        """One of the states of drift, the worst of what is known."""
        check = self.rows.check
        if self.is_old:
            return STALE
        if check.state == DriftCheck.State.DRIFTED and self._open:
            return DRIFTED
        if check.state == DriftCheck.State.UNKNOWN or check.why:
            return UNKNOWN
        return ACCEPTED if check.state == DriftCheck.State.DRIFTED else IN_SYNC

    @property
    def key(self) -> str:
        return f"drift_{self.state}"

    @property
    def url(self) -> str:
        return f"/environments/{self.side.name}/drift/"

    @property
    def counts(self) -> dict[str, int]:
        """Findings by the key of their word, without ``compared_``; none of an old look: they may be otherwise now."""
        if self.is_old:
            return {}
        return {key: count for key, count in (("drift", self._open), ("drift_accepted", self._accepted)) if count}

    @property
    def _accepted(self) -> int:
        return sum(row.accepted is not None for resource in self.rows.resources for row in resource.rows)

    @property
    def _open(self) -> int:
        return sum(len(resource.rows) for resource in self.rows.resources) - self._accepted + self.rows.check.more


@dataclass(frozen=True, slots=True)
class Drifts:
    """``start``, ``end``: the badges of the sides; ``None`` where that is not what runs now. ``targets``: by name, also those that
    were checked and are not compared; the empty name is an environment as a whole. ``running``: how many sides there are to check.
    """

    start: DriftWord | None = None
    end: DriftWord | None = None
    targets: Mapping[str, tuple[SideDrift, ...]] = field(default_factory=dict)
    running: int = 0

    def is_in_sync(self, target: str) -> bool:
        """Whether every side that is what runs now was looked at lately, and is as it was deployed."""
        rows = self.targets.get(target, ())
        return len(rows) == self.running and all(row.state == IN_SYNC for row in rows)


def drifts_of(compared: Compared) -> Drifts:
    """Three queries, and two more for each environment that was ever checked."""
    running = {"from": compared.start} if compared.start.is_running else {}
    if compared.end.is_running:
        running["to"] = compared.end
    found = drift_of(side.environment for side in running.values()) if running else {}
    words = {which: drift_word(found[side.environment.pk]) for which, side in running.items()}
    once = {side.environment.pk: (which, side) for which, side in reversed(running.items())}
    targets: dict[str, tuple[SideDrift, ...]] = {}
    for which, side in reversed(once.values()):
        for row in _checked(which, side, found[side.environment.pk]):
            name = row.rows.check.target
            targets[name] = (*targets.get(name, ()), row)
    return Drifts(words.get("from"), words.get("to"), targets, len(once))


def _checked(which: str, side: Side, known: Drift) -> list[SideDrift]:
    if known.checked_at is None:
        return []
    accepted = acceptances_of(side.environment)
    rows = [target_rows(check, side.environment, accepted) for check in findings_of(side.environment)]
    return [SideDrift(which, side, row, bool(known.was) or row.is_other) for row in rows]
