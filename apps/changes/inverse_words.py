"""What is known of undoing a change, as pages and the API tell it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.changes.models import ChangeRequest, Inverse
from apps.core.text import first_few

State = Inverse.State
NOT_YET = "not_computed"


@dataclass(frozen=True, slots=True)
class GoingBack:
    """``state``: one of :class:`Inverse.State`, or ``not_computed``; ``text`` says it in a sentence.

    ``parts``: ``(target, resource, text)`` of what does not come back; ``unknown``: the targets of which that is not known;
    ``untold``: ``(target, why)`` of those whose inverse effect is not known. ``digest`` is what an approval is bound to.
    """

    state: str
    text: str
    digest: str = ""
    parts: tuple[tuple[str, str, str], ...] = ()
    unknown: tuple[str, ...] = ()
    untold: tuple[tuple[str, str], ...] = ()
    files: int = 0
    row: Inverse | None = None

    @property
    def is_possible(self) -> bool:
        return self.state == State.POSSIBLE


def going_back(change: ChangeRequest) -> GoingBack | None:
    """What is known of undoing the present revision; ``None`` where there is none that could be merged."""
    revision = change.revision
    if revision is None or not revision.result_tree:
        return None
    row = Inverse.objects.filter(revision=revision).first()
    if row is None:
        return GoingBack(NOT_YET, "Roll-back: not computed yet. It is when the effect of the change is known.")
    return GoingBack(
        state=str(row.state),
        text=_text(change, row),
        digest=row.digest,
        parts=tuple((target, resource, text) for target, resource, text in row.parts),
        unknown=tuple(row.unknown),
        untold=tuple((target, why) for target, why in row.untold),
        files=row.files,
        row=row,
    )


def _text(change: ChangeRequest, row: Inverse) -> str:
    if row.state == State.CONFLICT:
        where = first_few(list(row.conflicts))
        return f"Roll-back not possible by itself, because later changes touched the same places in {where}."
    if row.state == State.NOTHING:
        return f"Roll-back not possible: nothing of {change.label} is left on {change.target_branch}."
    if row.state == State.FAILED:
        return f"Roll-back not computed: {row.message}"
    return f"Roll-back possible{_parts(row)}"


def _parts(row: Inverse) -> str:
    count = len(row.parts)
    unknown = f"; not known for {first_few(list(row.unknown))}" if row.unknown else ""
    if not count:
        return f"{unknown}." if unknown else ". Nothing is known that would not come back."
    verb = "part does" if count == 1 else "parts do"
    names = first_few([f"{resource} in {target}" for target, resource, _ in row.parts])
    return f", {count} {verb} not come back: {names}{unknown}."


def as_shown(found: GoingBack | None) -> dict[str, Any]:
    """What a review keeps of it: enough to tell later whether a roll-back is exactly this one. Empty: there is none."""
    if found is None:
        return {}
    if found.row is None:
        return {"state": found.state}
    row = found.row
    return {
        "state": found.state,
        "digest": row.digest,
        "from": row.before_tree,
        "to": row.result_tree,
        "subject": row.subject,
        "effects": row.effects,
        "parts": [[target, resource] for target, resource, _ in found.parts],
        "unknown": list(found.unknown),
    }
