"""The same change on many targets: which targets change alike, and how the others differ from most of them.

Strict: two targets are in one class only if the same resources undergo the same actions, with the same fields that count
from the same value to the same value (of what is created or deleted: the whole body). Differences without effect are not
looked at. A target may have words of its own, such as its name and its namespace: where the change of one writes its first
word, the change of another one writes its own. Grouping says where to look first; what an approval is bound to is the
digest of each target.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

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


def classify(
    differences: Mapping[str, Difference], own_words: Mapping[str, Sequence[str]] | None = None
) -> tuple[TargetClass, ...]:
    """The classes, the largest first, then by the name of their first target. No target is left out.

    ``own_words``: for each target, in the same order for all; they count as whole words only. Without them, nothing is
    taken for something else.
    """
    effects = {
        target: _effects(differences[target], _Words((own_words or {}).get(target, ())))
        for target in sorted(differences)
    }
    groups: dict[str, list[str]] = {}
    for target, found in effects.items():
        groups.setdefault(_key(found), []).append(target)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[1]))
    most = effects[ordered[0][1][0]] if ordered else {}
    classes = []
    for key, targets in ordered:
        here = effects[targets[0]]
        same_fields = _fields(here) == _fields(most)
        classes.append(TargetClass(tuple(targets), key, differences[targets[0]], _deviations(here, most), same_fields))
    return tuple(classes)


class _Words:
    """Puts the number of each own word into the place of the word, between characters that no JSON text holds."""

    def __init__(self, own: Sequence[str]) -> None:
        numbers = {json.dumps(word)[1:-1]: at for at, word in reversed(list(enumerate(own))) if len(word) > 1}
        longest = sorted(numbers, key=lambda word: (-len(word), word))
        self._numbers = numbers
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(map(re.escape, longest))})(?![A-Za-z0-9])")

    def replaced(self, text: str) -> str:
        return self._pattern.sub(lambda found: f"\0{self._numbers[found.group()]}\0", text) if self._numbers else text


class _Found(NamedTuple):
    """One effect; ``text`` is equal for equal effects only, but for own words."""

    place: Place
    effect: Effect
    text: str


def _effects(difference: Difference, words: _Words) -> dict[str, _Found]:
    """By the text of their place."""
    found: dict[str, _Found] = {}
    for change in difference.changes:
        for path, effect in _effects_of(change):
            identity = change.id
            names = [identity.api, identity.kind, identity.namespace, identity.name]
            place = words.replaced(json.dumps([encode_value(names), encode_path(path)], sort_keys=True))
            values = [encode_value(value) for value in effect[1:]]
            text = words.replaced(json.dumps([effect[0].value, *values], sort_keys=True))
            found[place] = _Found((identity, path), effect, text)
    return found


def _effects_of(change: ResourceChange) -> list[tuple[tuple[Step, ...], Effect]]:
    """The fields that count; the whole resource where no field says what happens to it."""
    counted = [field for field in change.fields if not field.rule]
    if counted and change.action in {Action.UPDATE, Action.REPLACE}:
        return [(field.path, (change.action, field.before, field.after)) for field in counted]
    whole = [ABSENT if body is None else body for body in (change.before, change.after)]
    return [((), (change.action, whole[0], whole[1]))]


def _key(effects: Mapping[str, _Found]) -> str:
    lines = sorted(f"{place} {found.text}" for place, found in effects.items())
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def _deviations(here: Mapping[str, _Found], most: Mapping[str, _Found]) -> tuple[Deviation, ...]:
    deviations = []
    for place in (*here, *(place for place in most if place not in here)):
        ours, theirs = here.get(place), most.get(place)
        if ours is None and theirs is not None:
            deviations.append(Deviation(Against.FEWER, *theirs.place, None, theirs.effect))
        elif ours is not None and theirs is None:
            deviations.append(Deviation(Against.MORE, *ours.place, ours.effect, None))
        elif ours is not None and theirs is not None and ours.text != theirs.text:
            deviations.append(Deviation(Against.OTHER, *ours.place, ours.effect, theirs.effect))
    return tuple(deviations)


def _fields(effects: Mapping[str, _Found]) -> list[str]:
    """What changes, without the names and the values."""
    return sorted(
        json.dumps([identity.api, identity.kind, action.value, [step for step in path if isinstance(step, str)]])
        for (identity, path), (action, _, _), _ in effects.values()
    )
