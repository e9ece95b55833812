"""Two sides of a stack, compared by logical id: CloudFormation's own rules of what is changed and what is replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from apps.rendering.cloudformation.create_only import create_only, sometimes_create_only
from apps.rendering.cloudformation.problems import shown
from apps.rendering.cloudformation.risks import risks_of
from apps.rendering.comparing.equality import same, within_limits
from apps.rendering.comparing.fields import field_changes
from apps.rendering.comparing.paths import words
from apps.rendering.comparing.resources import gathered
from apps.rendering.comparing.shapes import Ordering, Shape, listed
from apps.rendering.model import (
    ABSENT,
    Action,
    Difference,
    FieldChange,
    Json,
    Resource,
    ResourceChange,
    Risk,
    Step,
    Weight,
)

Path = tuple[Step, ...]
_MARKER = re.compile(r"\$\{([^{}]*)\}")
_ELEMENTS = {
    "AttributeDefinitions": ("AttributeName",),
    "KeySchema": ("AttributeName",),
    "GlobalSecondaryIndexes": ("IndexName",),
    "LocalSecondaryIndexes": ("IndexName",),
    "Statement": ("Sid",),
    "Rules": ("Id",),
    "Policies": ("PolicyName",),
}
_DOCUMENTS = frozenset({"Body", "Content", "Definition", "EventPattern", "Schema"})
"""Properties whose JSON goes to a service as it is: there ``true`` and ``"true"`` are two values."""


class _Body(Shape):
    """Lists are keyed by ``Name`` or by what the table says; the order of tags is free. ``alike`` as :class:`Shape` has it."""

    __slots__ = ()

    def of(self, key: str) -> Shape:
        inside = self.element() if key not in _DOCUMENTS else BODY
        if key == "Tags":
            return listed(inside, "Key", order=Ordering.FREE, empty=False)
        return replace(inside, keys=_ELEMENTS[key]) if key in _ELEMENTS else inside

    def element(self) -> Shape:
        return PROPERTY if self.alike else BODY


class _Resource(_Body):
    """Properties reach CloudFormation as texts; what stands beside them says what it is."""

    __slots__ = ()

    def of(self, key: str) -> Shape:
        return PROPERTY if key == "Properties" else BODY.of(key)


BODY = _Body(keys=("Name",))
PROPERTY = _Body(keys=("Name",), alike=True)
RESOURCE = _Resource(keys=("Name",))


def compare(before: Iterable[Resource], after: Iterable[Resource], beside: Iterable[ResourceChange] = ()) -> Difference:
    """The difference of two sides, the heaviest actions first, then by id. A type that changes is one replacement.

    ``beside``: changes of what is no resource of the stack.
    """
    old, new = ({each.id.name: each for each in side} for side in (before, after))
    compared = (_change(old.get(name), new.get(name)) for name in old.keys() | new.keys())
    found = gathered((*compared, *beside))
    dependents = _dependents(new.values())
    return replace(found, changes=tuple(_with_dependents(change, dependents) for change in found.changes))


def _change(old: Resource | None, new: Resource | None) -> ResourceChange | None:
    for side in (old, new):
        if side is not None:
            within_limits(side.body)
    if old is not None and new is not None:
        if same(old.body, new.body):
            return None
        change = _update(old, new)
    elif new is not None:
        change = ResourceChange(new.id, Action.CREATE, after=new.body, source=new.source)
    elif old is not None:
        change = ResourceChange(old.id, Action.DELETE, before=old.body, source=old.source)
    else:
        return None
    found = dict.fromkeys((*risks_of(change), *change.risks))
    return replace(change, risks=tuple(sorted(found, key=lambda risk: risk.weight is not Weight.HIGH)))


def _update(old: Resource, new: Resource) -> ResourceChange:
    fields = field_changes(old.body, new.body, RESOURCE)
    counting = [field for field in fields if not field.rule]
    if old.id.kind != new.id.kind:
        paths: tuple[Path, ...] = (("Type",),)
    else:
        paths = _forcing(old.body, new.body, counting, create_only(new.id.kind) or ())
    change = ResourceChange(
        new.id,
        Action.REPLACE if paths else Action.UPDATE,
        fields=fields,
        before=old.body,
        after=new.body,
        replace_paths=paths,
        source=new.source or old.source,
    )
    return replace(change, risks=tuple(_perhaps(change, counting)))


def _forcing(
    before: Mapping[str, Json],
    after: Mapping[str, Json],
    fields: Iterable[FieldChange],
    properties: Iterable[tuple[str, ...]],
) -> tuple[Path, ...]:
    """The fields that are changes of these properties, in them or around them."""
    moved = [
        ("Properties", *path)
        for path in properties
        if not same(_at(before, ("Properties", *path)), _at(after, ("Properties", *path)))
    ]
    return tuple(field.path for field in fields if any(_agree(field.path, path) for path in moved))


def _agree(path: Path, pattern: tuple[str, ...]) -> bool:
    return all(wanted in {"*", step} for step, wanted in zip(path, pattern, strict=False))


def _at(value: Json, path: tuple[str, ...]) -> Json:
    """What stands at a place; of every element of a list, in the order of the list."""
    for at, key in enumerate(path):
        if key == "*" and isinstance(value, list):
            found = [_at(each, path[at + 1 :]) for each in value]
            return [each for each in found if each is not ABSENT]
        value = value.get(key, ABSENT) if isinstance(value, Mapping) else ABSENT
    return value


def _perhaps(change: ResourceChange, fields: list[FieldChange]) -> Iterator[Risk]:
    """What may turn out to be a replacement."""
    kind, name = change.id.kind, shown(change.id)
    if change.replace_paths == (("Type",),):
        yield Risk("replace", "CloudFormation may refuse this: another type usually needs another logical id.")
    if change.action is not Action.UPDATE or change.before is None or change.after is None:
        return
    inside = [field for field in fields if field.path[:1] == ("Properties",)]
    if inside and create_only(kind) is None:
        yield Risk("replace", f"{name} may be replaced: its update behaviour is not known here.")
    paths = _forcing(change.before, change.after, inside, sometimes_create_only(kind))
    if paths:
        named = ", ".join(shown(words(path)) for path in paths[:5])
        yield Risk("replace", f"{name} may be replaced: that depends on how {named} changes.", Weight.MEDIUM)


def _dependents(resources: Iterable[Resource]) -> dict[str, list[str]]:
    """For each resource the ids of those whose bodies hold a marker of it."""
    found: dict[str, list[str]] = {}
    for resource in resources:
        for name in sorted({name for text in _texts(resource.body) for name in _named(text)}):
            if name != resource.id.name:
                found.setdefault(name, []).append(resource.id.name)
    return found


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        if "${" in value:
            yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _named(text: str) -> Iterator[str]:
    for marker in _MARKER.findall(text):
        yield from (word.partition(".")[0] for word in marker.split(" "))


def _with_dependents(change: ResourceChange, dependents: Mapping[str, list[str]]) -> ResourceChange:
    """What refers to a resource that is replaced gets another value without a line of its own."""
    names = sorted(dependents.get(change.id.name, ()))
    if change.action is not Action.REPLACE or not names:
        return change
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    text = f"What refers to it is changed, too, and may be replaced: {', '.join(map(shown, names[:5]))}{more}."
    return replace(change, risks=(*change.risks, Risk("replace", text)))
