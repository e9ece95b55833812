"""Two renderings of one target, compared as resources: what is created, changed, replaced and deleted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from apps.rendering.comparing.equality import same, within_limits
from apps.rendering.comparing.fields import field_changes
from apps.rendering.comparing.generated import renamed
from apps.rendering.comparing.kinds import shape_of
from apps.rendering.comparing.replacing import replacing_paths
from apps.rendering.comparing.risks import risks_of
from apps.rendering.model import Action, Difference, Failure, RenderError, Resource, ResourceChange, ResourceId, Source

_ORDER = {action: at for at, action in enumerate(Action)}


def compare(before: Iterable[Resource], after: Iterable[Resource], *, with_generators: bool = False) -> Difference:
    """The difference of two sides, the heaviest actions first, then by id.

    ``with_generators``: of two objects whose names differ by the suffix of a generator alone, one is the other's update.
    ``RenderError``: ``REFUSED`` where one side has two resources with the same id, ``TOO_LARGE`` for a body with too many
    levels.
    """
    old, new = _by_id(before), _by_id(after)
    pairs = renamed(old.keys() - new.keys(), new.keys() - old.keys()) if with_generators else {}
    alone = (old.keys() | new.keys()) - pairs.keys() - set(pairs.values())
    changes = (_change(old.get(identity), new.get(identity)) for identity in alone)
    return gathered((*changes, *(_renamed(old[gone], new[identity]) for identity, gone in pairs.items())))


def gathered(found: Iterable[ResourceChange | None]) -> Difference:
    """One difference of what happens to each resource (``None``: nothing), whatever the order in which it is told."""
    changes: list[ResourceChange] = []
    silent: list[ResourceChange] = []
    unchanged = 0
    for change in found:
        if change is None:
            unchanged += 1
        elif change.action is Action.UPDATE and all(field.rule for field in change.fields):
            silent.append(change)
        else:
            changes.append(change)
    changes.sort(key=lambda change: (_ORDER[change.action], change.id))
    silent.sort(key=lambda change: change.id)
    return Difference(tuple(changes), unchanged, tuple(silent))


def _by_id(resources: Iterable[Resource]) -> dict[ResourceId, Resource]:
    found: dict[ResourceId, Resource] = {}
    for resource in resources:
        other = found.setdefault(resource.id, resource)
        if other is not resource:
            places = f"{_place(other.source)} and {_place(resource.source)}"
            raise RenderError(
                Failure.REFUSED,
                f"{resource.id} is rendered twice, from {places}; only one of them would be applied.",
                path=resource.source.path if resource.source else "",
                line=resource.source.line if resource.source else 0,
            )
    return found


def _place(source: Source | None) -> str:
    return "a place that is not known" if source is None else source.place


def _change(old: Resource | None, new: Resource | None) -> ResourceChange | None:
    if old is not None and new is not None:
        if same(old.body, new.body):
            return None
        change = _update(old, new)
    elif new is not None:
        within_limits(new.body)
        change = ResourceChange(new.id, Action.CREATE, after=new.body, source=new.source)
    elif old is not None:
        within_limits(old.body)
        change = ResourceChange(old.id, Action.DELETE, before=old.body, source=old.source)
    else:
        return None
    return replace(change, risks=risks_of(change))


def _renamed(old: Resource, new: Resource) -> ResourceChange:
    """Nothing of it is refused: it is another object for the cluster, and the fields tell its other name."""
    change = replace(_update(old, new), action=Action.UPDATE, replace_paths=())
    return replace(change, risks=risks_of(change))


def _update(old: Resource, new: Resource) -> ResourceChange:
    within_limits(old.body)
    within_limits(new.body)
    fields = field_changes(old.body, new.body, shape_of(old.body, new.body))
    paths = replacing_paths(new.id, old.body, new.body, fields)
    return ResourceChange(
        new.id,
        Action.REPLACE if paths else Action.UPDATE,
        fields=fields,
        before=old.body,
        after=new.body,
        replace_paths=paths,
        source=new.source or old.source,
    )
