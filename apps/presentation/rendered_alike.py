"""What happens alike to one resource of several targets: the same fields change, and what else differs there is not left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from apps.presentation.rendered_rows import FieldRow, field_row
from apps.rendering.comparing import TargetClass
from apps.rendering.model import Action, Difference, ResourceChange, ResourceId, Risk, Weight
from apps.reviews.resources import change_key

T = TypeVar("T")
HEAVY = frozenset({Action.DELETE, Action.REPLACE})
NAMED = 3
"""Targets that are named behind what is said of some of them only."""


@dataclass(frozen=True, slots=True)
class Alike:
    """What happens to one resource, and on which targets; ``key`` names it as it is on ``target``, which is one of them.

    ``others``: the targets where fields that stay, or differences without effect, are not those of ``target``.
    """

    key: str
    change: ResourceChange
    target: str
    targets: tuple[str, ...]
    others: Mapping[str, ResourceChange]

    @property
    def is_heavy(self) -> bool:
        return self.change.action in HEAVY

    @property
    def has_risks(self) -> bool:
        return any(one.risks for one in (self.change, *self.others.values()))

    @property
    def keys(self) -> tuple[str, ...]:
        """How it is named on each target: another whole resource has another name."""
        return tuple(dict.fromkeys((self.key, *map(change_key, self.others.values()))))

    @property
    def risks(self) -> tuple[Risk, ...]:
        """Those of every target, the heavy ones first."""
        found = self._told({target: self._on(target).risks for target in self.targets})
        risks = (replace(risk, text=f"{risk.text}{where}") for risk, where in found)
        return tuple(sorted(risks, key=lambda risk: risk.weight is not Weight.HIGH))

    @property
    def quiet(self) -> tuple[FieldRow, ...]:
        """The differences without effect of every target."""
        usual = _quiet_rows(self.change)
        rows = {target: _quiet_rows(self.others[target]) if target in self.others else usual for target in self.targets}
        return tuple(replace(row, path=f"{row.path}{where}") for row, where in self._told(rows))

    def _on(self, target: str) -> ResourceChange:
        return self.others.get(target, self.change)

    def _told(self, found: Mapping[str, Iterable[T]]) -> Iterable[tuple[T, str]]:
        """Each once, with the targets it is of, unless it is of all of them."""
        targets: dict[T, list[str]] = {}
        for target, each in found.items():
            for one in each:
                targets.setdefault(one, []).append(target)
        for one, mine in targets.items():
            more = f" and {len(mine) - NAMED} more" if len(mine) > NAMED else ""
            yield one, "" if len(mine) == len(found) else f" (only in {', '.join(mine[:NAMED])}{more})"


def _quiet_rows(change: ResourceChange) -> list[FieldRow]:
    return [field_row(field, change) for field in change.fields if field.rule]


Keyed = tuple[TargetClass, list[tuple[str, ResourceChange]]]
"""A class with the keys of what changes on the first of its targets."""


def keyed(found: TargetClass) -> Keyed:
    return found, [(change_key(one), one) for one in found.difference.changes]


def alike(classes: Iterable[Keyed], differences: Mapping[str, Difference]) -> list[Alike]:
    """One for what happens alike to one resource, however many classes or targets it is part of."""
    known = {label: {one.id: one for one in found.changes} for label, found in differences.items()}
    changes: dict[str, tuple[str, ResourceChange]] = {}
    targets: dict[str, set[str]] = {}
    for found, pairs in classes:
        for key, one in pairs:
            changes.setdefault(key, (found.targets[0], one))
            targets.setdefault(key, set()).update(found.targets)
    return [
        Alike(key, one, first, tuple(sorted(targets[key])), _others(one, targets[key], known))
        for key, (first, one) in changes.items()
    ]


def _others(
    change: ResourceChange, targets: Iterable[str], known: Mapping[str, Mapping[ResourceId, ResourceChange]]
) -> dict[str, ResourceChange]:
    there = {target: known[target][change.id] for target in sorted(targets)}
    return {target: one for target, one in there.items() if (one.before, one.after) != (change.before, change.after)}


def alone(found: Iterable[tuple[str, ResourceChange]]) -> list[Alike]:
    """One for each whole resource, of whatever targets."""
    changes: dict[str, ResourceChange] = {}
    targets: dict[str, list[str]] = {}
    for label, one in found:
        key = change_key(one)
        changes.setdefault(key, one)
        targets.setdefault(key, []).append(label)
    return [Alike(key, one, targets[key][0], tuple(sorted(targets[key])), {}) for key, one in changes.items()]
