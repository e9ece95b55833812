"""Choosing experts: few people who together can give what is missing, the least busy first. Pure.

Greedy set cover (Chvátal 1979: at most ln n times the optimum, exact on the small cases that
occur), ties by load (open reviews, then reviews of late) and then by name, so that work is
shared and the same facts always choose the same people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """``missing`` more approvals are wanted out of ``candidates`` (usernames); ``why`` says so to them."""

    candidates: frozenset[str]
    missing: int
    why: str


def choose(needs: Sequence[Need], *, asked: frozenset[str], load: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Whom to ask in addition to ``asked``: username → reason, in the order of choice."""
    missing = [need.missing - len(need.candidates & asked) for need in needs]
    chosen: dict[str, str] = {}
    while True:
        gains = _gains(needs, missing, asked | set(chosen))
        if not gains:
            return chosen
        best = min(gains, key=lambda name: (-len(gains[name]), load.get(name, (0, 0)), name))
        chosen[best] = "; ".join(needs[index].why for index in gains[best])
        for index in gains[best]:
            missing[index] -= 1


def _gains(needs: Sequence[Need], missing: Sequence[int], taken: frozenset[str] | set[str]) -> dict[str, list[int]]:
    """For every candidate the indexes of the needs that they would bring forward."""
    gains: dict[str, list[int]] = {}
    for index, need in enumerate(needs):
        if missing[index] > 0:
            for name in need.candidates - taken:
                gains.setdefault(name, []).append(index)
    return gains
