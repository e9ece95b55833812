"""Viewed marks on a page whose files are written once for everybody: put in when the page is sent.

The heading of a file carries a button that belongs to the one form ``#viewed-form`` and says nothing of a person. For the person
who looks, the buttons of files with a mark are replaced on the way out: one pass over the bytes, and none where there
are no marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.diffs.files import FileChange
from apps.presentation.diff_sides import Sides
from apps.reviews.marks import Marks, marks_of, revision_marks

_BUTTON = re.compile(
    rb'<button class="vw" form="viewed-form" name="file" value="([0-9a-f]{8,64})" aria-pressed="false">Viewed</button>'
)


def viewed_button(change: FileChange) -> str:
    """What every heading carries, the same for everybody."""
    return f'<button class="vw" form="viewed-form" name="file" value="{change.id}" aria-pressed="false">Viewed</button>'


@dataclass(frozen=True, slots=True)
class ViewedBar:
    """The progress and the form: ``revision`` is what a mark speaks for; ``back`` where a page without scripts returns to."""

    revision: int
    marks: Marks
    back: str = ""


def page_marks(user: User, change: ChangeRequest, sides: Sides, files: tuple[FileChange, ...]) -> Marks:
    """The marks for a page: of the files that it lists, or, where it does not list the whole change, of all of them."""
    if sides.since is None and not sides.ignore_space:
        return marks_of(user, change, files)
    return revision_marks(user, change, sides.revision)


def personal(sections: bytes, marks: Marks) -> bytes:
    """``sections`` with the buttons of viewed and changed files as this person left them.

    A file that only a comparison has (its author took the edit back) is not part of the change and has no button.
    """
    if not marks.viewed and not marks.changed and marks.files is None:
        return sections
    return _BUTTON.sub(lambda found: _replaced(found, marks), sections)


def _replaced(found: re.Match[bytes], marks: Marks) -> bytes:
    file_id = found[1].decode()
    if marks.files is not None and file_id not in marks.files:
        return b""
    state = marks.state(file_id)
    if state == "viewed":
        pressed = found[0].replace(b'name="file"', b'name="unview"')
        return pressed.replace(b'aria-pressed="false"', b'aria-pressed="true"')
    return found[0] + b'<span class="vw-changed">Changed since you viewed</span>' if state == "changed" else found[0]
