"""The plan that was approved of a target, and whether a new one is exactly that.

Both are made comparable in the same way: secrets become fingerprints, and the digest names both bodies of every resource
and the tool. A target that the change does not reach has nothing that was approved, so its plan must be empty.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from apps.changes.effects.sides import unpacked
from apps.changes.models import Rendering
from apps.deployments.dispatchers import Judged, Refused
from apps.deployments.dispatchers.words import joined
from apps.rendering.comparing import difference_digest
from apps.rendering.comparing.codec import decode_difference
from apps.rendering.model import Action, Difference, ResourceChange, ToolIdentity

MOST_NAMED = 10
FUTURE: Mapping[Action, str] = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.REPLACE: "replaced",
    Action.DELETE: "deleted",
}
AGAIN = "Nothing was applied. Open a change that touches it, so that it is planned again, and approve that plan."
_PLANNERS = frozenset({Rendering.Planner.RUNNER.value, Rendering.Planner.PIPELINE.value})


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    """``difference``: ``None`` where the change does not reach the target. ``label``: environment/target."""

    label: str
    digest: str = ""
    tool: tuple[str, ...] = ()
    difference: Difference | None = None


def stored_plan(row: Rendering | None, label: str) -> dict[str, Any]:
    """The approved plan of this rendering as JSON; :class:`Refused` where it is none."""
    if row is None:
        return {"label": label}
    if row.state != Rendering.State.RENDERED or not row.document:
        text = f"{row.label} was not planned, so no plan of it was approved: {row.message}".rstrip(": ")
        raise Refused("not_as_approved", text)
    if row.planned_by not in _PLANNERS:
        text = (
            f"{row.label} was planned without the state of the environment, so what was approved is no plan of it. "
            "A maintainer writes `plan: runner` at the target in portal.yaml."
        )
        raise Refused("not_as_approved", text)
    return {
        "label": row.label,
        "digest": row.digest,
        "tool": list(row.facts.get("tool") or ()),
        "document": base64.b64encode(bytes(row.document)).decode(),
    }


def opened_plan(stored: Mapping[str, Any]) -> ApprovedPlan:
    """What :func:`stored_plan` wrote."""
    if not stored.get("digest"):
        return ApprovedPlan(str(stored["label"]))
    difference = decode_difference(unpacked(base64.b64decode(stored["document"])))
    return ApprovedPlan(str(stored["label"]), str(stored["digest"]), tuple(stored["tool"]), difference)


def judged(approved: ApprovedPlan, found: Difference, tool: ToolIdentity, *, is_empty: bool) -> Judged:
    """Whether what would happen is what was approved. ``is_empty``: by the word of the system itself, nothing would."""
    is_empty = is_empty and not found.changes
    if is_empty:
        return Judged(is_empty=True, lines=("There is nothing to do: all of it is there already.",))
    if approved.difference is None:
        what = joined(_will(found), MOST_NAMED) or "outputs would change"
        return Judged(
            f"What would happen was never approved: the change does not reach {approved.label}, and {what}. {AGAIN}"
        )
    if difference_digest(found, tool) == approved.digest:
        lines = (
            f"It is exactly the approved plan ({approved.digest[:12]}):",
            *(f"  {words}" for words in _will(found)),
        )
        return Judged(lines=lines)
    problem = _of_tool(approved, tool) if _is_same(approved, found) else ""
    if not problem:
        named = joined(_differing(approved.difference, found), MOST_NAMED)
        problem = f"What would happen is no longer what was approved of {approved.label}: {named}."
    return Judged(f"{problem} {AGAIN}")


def _will(found: Difference) -> Iterator[str]:
    for change in found.changes:
        yield f"{change.id.name} would be {FUTURE[change.action]}"


def _is_same(approved: ApprovedPlan, found: Difference) -> bool:
    """Whether only the tool is another one."""
    name, version, sha256 = (*approved.tool, "", "", "")[:3]
    return difference_digest(found, ToolIdentity(name, version, sha256)) == approved.digest


def _of_tool(approved: ApprovedPlan, tool: ToolIdentity) -> str:
    name, version = (*approved.tool, "", "")[:2]
    return (
        f"{approved.label} was approved as {name} {version} planned it; this worker has {tool.name} {tool.version}, or another "
        "build of it."
    )


def _differing(approved: Difference, found: Difference) -> Iterator[str]:
    """Each resource of which something else was approved, in words without values."""
    before, after = ({change.id: change for change in one.changes} for one in (approved, found))
    for identity in {**before, **after}:
        old, new = before.get(identity), after.get(identity)
        if old is None and new is not None:
            yield f"{identity.name} would now be {FUTURE[new.action]}, which was not approved"
        elif new is None and old is not None:
            yield f"{identity.name} would no longer be {FUTURE[old.action]}"
        elif old is not None and new is not None and not _same(old, new):
            yield _other(old, new)


def _same(old: ResourceChange, new: ResourceChange) -> bool:
    neutral = ToolIdentity("", "")
    one, other = (difference_digest(Difference((change,)), neutral) for change in (old, new))
    return one == other


def _other(old: ResourceChange, new: ResourceChange) -> str:
    if old.action != new.action:
        return f"{new.id.name} would be {FUTURE[new.action]}, and {FUTURE[old.action]} was approved"
    return f"{new.id.name} would be {FUTURE[new.action]} with other values than were approved"
