"""Why two environments differ in a place. Pure.

The question is what would stay if the older environment were deployed at the commit of the newer one. What would go is *not
promoted*; what would stay is an *intended overlay*; where something would stay, and not what is there now, it is *both*. Two times of
one environment have one reason: it was *deployed* between them, or (what Git has against what is live) it is *not deployed* yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apps.rendering.model import ABSENT, Action, Difference, FieldChange, Json, ResourceChange, Step
from apps.rendering.redaction import MARK

Reason = Literal["not_promoted", "overlay", "both", "deployed", "not_deployed", "unknown"]
Older = Literal["from", "to"]


@dataclass(frozen=True, slots=True)
class Reasons:
    """Of one resource, and of each of its fields in their order."""

    resource: Reason
    fields: tuple[Reason, ...]


def one_reason(difference: Difference, reason: Reason) -> tuple[Reasons, ...]:
    """The same reason for everything."""
    return tuple(Reasons(reason, tuple(reason for _ in one.fields)) for one in difference.changes)


def reasons(difference: Difference, overlay: Difference, *, older: Older) -> tuple[Reasons, ...]:
    """For each change of ``difference`` in its order. ``overlay``: what differs between the two environments at the newer commit.

    ``older``: which of the two has the older commit, so is the one that promoting would change.
    """
    known = {one.id: one for one in (*overlay.changes, *overlay.silent)}
    return tuple(_reasons(one, known.get(one.id), older) for one in difference.changes)


def _reasons(change: ResourceChange, overlay: ResourceChange | None, older: Older) -> Reasons:
    if overlay is None:
        return Reasons("not_promoted", tuple("not_promoted" for _ in change.fields))
    if change.action in {Action.CREATE, Action.DELETE} or overlay.action in {Action.CREATE, Action.DELETE}:
        found: Reason = "overlay" if change.action is overlay.action else "both"
        return Reasons(found, tuple(found for _ in change.fields))
    stays = {field.path: _side(field, older) for field in overlay.fields}
    fields = tuple(_field(field, stays, older) for field in change.fields)
    kinds = set(fields)
    return Reasons(fields[0] if len(kinds) == 1 else "both", fields)


def _field(field: FieldChange, stays: dict[tuple[Step, ...], Json], older: Older) -> Reason:
    if field.path not in stays:
        return "not_promoted"
    there = stays[field.path]
    same = there is _side(field, older) or (there is not ABSENT and there == _side(field, older))
    return "overlay" if same else "both"


def _side(field: FieldChange, older: Older) -> Json:
    return field.before if older == "from" else field.after


def is_secret(field: FieldChange) -> bool:
    """Whether what differs is a secret, of which only fingerprints are known."""
    return any(MARK in value for value in (field.before, field.after) if isinstance(value, str))


def hides_secret(change: ResourceChange) -> bool:
    """Whether a resource that only one side has holds a secret."""
    return change.id.kind == "Secret" or any(is_secret(field) for field in change.fields)
