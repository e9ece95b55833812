"""The same change on many targets: which targets change alike, and how the others differ from most of them.

Strict: two targets are in one class only if the same resources undergo the same actions, with the same fields that count
from the same value to the same value (of what is created or deleted: the whole body). Differences without effect are not
looked at. Grouping says where to look first; what an approval is bound to is the digest of each target.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from apps.rendering.comparing.codec import encode_path, encode_value
from apps.rendering.model import ABSENT, Action, Difference, Json, ResourceChange, ResourceId, Step

Place = tuple[ResourceId, tuple[Step, ...]]
Effect = tuple[Action, Json, Json]


class Against(StrEnum):
    """How a place differs from the largest class."""

    MORE = "more"
    FEWER = "fewer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One place where a class does not do what the largest one does. ``path`` is empty for a whole resource.

    ``here`` and ``there`` (the largest class) are action, before and after; ``None``: nothing happens at this place.
    """

    kind: Against
    id: ResourceId
    path: tuple[Step, ...]
    here: Effect | None
    there: Effect | None


@dataclass(frozen=True, slots=True)
class TargetClass:
    """Targets that change alike, by name. ``key`` is the digest of their effect, equal for equal effects at any time.

    ``same_fields``: at least the same fields of the same kinds change in the same way as in the largest class, only with
    other names or values. The largest class has no deviations.
    """

    targets: tuple[str, ...]
    key: str
    difference: Difference
    deviations: tuple[Deviation, ...] = ()
    same_fields: bool = True


def classify(differences: Mapping[str, Difference]) -> tuple[TargetClass, ...]:
    """The classes, the largest first, then by the name of their first target. No target is left out."""
    groups: dict[str, list[str]] = {}
    for target in sorted(differences):
        groups.setdefault(_key(differences[target]), []).append(target)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[1]))
    most = differences[ordered[0][1][0]] if ordered else Difference(())
    found = []
    for key, targets in ordered:
        here = differences[targets[0]]
        found.append(TargetClass(tuple(targets), key, here, _deviations(here, most), _fields(here) == _fields(most)))
    return tuple(found)


def _effects(difference: Difference) -> dict[Place, Effect]:
    found: dict[Place, Effect] = {}
    for change in difference.changes:
        if change.action in {Action.CREATE, Action.DELETE}:
            before = ABSENT if change.before is None else change.before
            after = ABSENT if change.after is None else change.after
            found[change.id, ()] = (change.action, before, after)
        else:
            found |= _field_effects(change)
    return found


def _field_effects(change: ResourceChange) -> dict[Place, Effect]:
    counted = [field for field in change.fields if not field.rule]
    return {(change.id, field.path): (change.action, field.before, field.after) for field in counted}


def _key(difference: Difference) -> str:
    lines = sorted(_text(place, effect) for place, effect in _effects(difference).items())
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def _text(place: Place, effect: Effect) -> str:
    identity, path = place
    names = [identity.api, identity.kind, identity.namespace, identity.name]
    values = [encode_value(value) for value in effect[1:]]
    return json.dumps([names, encode_path(path), effect[0].value, *values], sort_keys=True)


def _deviations(here: Difference, most: Difference) -> tuple[Deviation, ...]:
    ours, theirs = _effects(here), _effects(most)
    found = []
    for place in (*ours, *(place for place in theirs if place not in ours)):
        effect, usual = ours.get(place), theirs.get(place)
        if effect is None:
            found.append(Deviation(Against.FEWER, *place, None, usual))
        elif usual is None:
            found.append(Deviation(Against.MORE, *place, effect, None))
        elif _text(place, effect) != _text(place, usual):
            found.append(Deviation(Against.OTHER, *place, effect, usual))
    return tuple(found)


def _fields(difference: Difference) -> list[str]:
    """What changes, without the names and the values."""
    return sorted(
        json.dumps([identity.api, identity.kind, action.value, [step for step in path if isinstance(step, str)]])
        for (identity, path), (action, _, _) in _effects(difference).items()
    )
