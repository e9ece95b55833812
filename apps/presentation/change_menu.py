"""The overflow menu of a change: what this person may do beside the next step. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from apps.changes.models import ChangeRequest
from apps.presentation.next_step import Viewer


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """``post`` entries act at once; the others open a page that says what will happen."""

    label: str
    path: str
    icon: str
    post: bool = False


_EDIT = MenuEntry("Edit title and description…", "edit/", "edit")
_ASK = MenuEntry("Ask a person…", "assignments/", "team")
_ATTACH = MenuEntry("Attach a branch…", "attach/", "branch")
_RETARGET = MenuEntry("Merge into another branch…", "retarget/", "branch")
_DRAFT = MenuEntry("Back to draft", "draft/", "undo", post=True)
_WITHDRAW = MenuEntry("Withdraw…", "withdraw/", "trash")
_EMERGENCY = MenuEntry("Emergency…", "emergency/", "octagon-x")
_SCHEDULE = MenuEntry("Schedule the merge…", "schedule/", "calendar")
_CLOSE = MenuEntry("Close…", "close/", "check-circle")

_BY_STATUS: dict[str, tuple[MenuEntry, ...]] = {
    "requested": (_EDIT, _ATTACH, _ASK, _WITHDRAW),
    "draft": (_EDIT, _ASK, _RETARGET, _WITHDRAW),
    "in_review": (_EDIT, _ASK, _SCHEDULE, _RETARGET, _DRAFT, _EMERGENCY, _WITHDRAW),
    "merged": (_EMERGENCY, _CLOSE),
}


def menu_of(change: ChangeRequest, viewer: Viewer) -> tuple[MenuEntry, ...]:
    """Entries for this person; what the role can never do is absent."""
    entries = _BY_STATUS.get(change.status, ())
    return tuple(entry for entry in entries if _offered(entry, viewer))


def _offered(entry: MenuEntry, viewer: Viewer) -> bool:
    if entry is _CLOSE:
        return viewer.maintains
    if entry is _SCHEDULE:
        return viewer.merges
    if entry in {_ATTACH, _RETARGET, _DRAFT}:
        return viewer.writes
    if entry is _WITHDRAW:
        return viewer.owns or viewer.maintains
    return viewer.owns or viewer.writes
