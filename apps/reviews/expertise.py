"""What somebody knows of a place, from what they did there: folders, decay, and how it is compared. Pure.

Every act (a commit, a change that landed, a review of one) adds one to each folder that it touched and
to all folders above. An act loses half of its worth in :data:`HALF_LIFE`. That is kept as one number
per person and folder, without a look back at the acts: with a fixed moment :data:`ORIGIN`, an act at
``t`` adds 2^((t - ORIGIN) / HALF_LIFE), and the worth of the sum at ``now`` is the sum times
2^(-(now - ORIGIN) / HALF_LIFE). So sums can be added in any order and in pieces (the trick of
forward decay: Cormode et al., ICDE 2009).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

HALF_LIFE = timedelta(days=180)
ORIGIN = datetime(2020, 1, 1, tzinfo=UTC)
DEEPEST = 6
"""Folder levels that are told apart; what lies deeper counts for the sixth."""
MAX_FOLDER = 400
"""Characters of a folder; what is longer counts for the folder above."""
BULK_PATHS = 1_000
"""A commit that touches more paths than this (an import, a reformatting) says nothing about what its author knows."""
UPWARDS = 0.5
"""A level up, knowledge counts half: of the same subject, but not of the same place."""
RECENT = 10
"""Landed changes that are remembered per folder, for “reviewed 6 of the last 10”."""
NOTHING, SOME, MUCH, MOST = 0, 1, 2, 3
LEAST = 0.05
"""Below this worth nothing is remembered: a single act after more than two years."""


def folder_of(path: str) -> str:
    """The folder of a path as it is counted; ``""`` is the top."""
    parts = path.split("/")[:-1][:DEEPEST]
    while parts and len("/".join(parts)) > MAX_FOLDER:
        parts.pop()
    return "/".join(parts)


def chain(folder: str) -> tuple[str, ...]:
    """The folder and all above it, nearest first, ``""`` last."""
    parts = folder.split("/") if folder else []
    return (*("/".join(parts[:length]) for length in range(len(parts), 0, -1)), "")


def touched(paths: Iterable[str]) -> dict[str, int]:
    """Every folder that the paths lie in or under → how many of them do."""
    found: dict[str, int] = {}
    for path in paths:
        for folder in chain(folder_of(path)):
            found[folder] = found.get(folder, 0) + 1
    return found


def weight_of(moment: datetime, *, latest: datetime) -> float:
    """What one act at ``moment`` adds. One that claims to be later than ``latest`` counts as of then."""
    return float(2.0 ** ((min(moment, latest) - ORIGIN) / HALF_LIFE))


def worth(weight: float, now: datetime) -> float:
    """What a sum of weights is worth at ``now``, in acts of this moment."""
    return float(weight * 2.0 ** (-((now - ORIGIN) / HALF_LIFE)))


def knowledge(worth_by_folder: Mapping[str, float], folders: Iterable[str]) -> float:
    """How much somebody knows of ``folders``: each counts the nearest level in full, one above half, and so on."""
    total = 0.0
    for folder in folders:
        for level, above in enumerate(chain(folder)):
            total += worth_by_folder.get(above, 0.0) * UPWARDS**level
    return total


def compared(known: Mapping[str, float]) -> dict[str, int]:
    """Name → :data:`NOTHING` … :data:`MOST`, beside who knows most. Wide steps, so that equals share the work."""
    best = max(known.values(), default=0.0)
    if best < LEAST:
        return dict.fromkeys(known, NOTHING)
    return {name: _step(value / best, value) for name, value in known.items()}


def _step(share: float, value: float) -> int:
    if value < LEAST:
        return NOTHING
    return MOST if share >= 0.5 else MUCH if share >= 0.125 else SOME
