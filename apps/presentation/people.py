"""How a person is named and pictured."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import User
from apps.core.errors import NotAllowed
from apps.repositories.models import Repository
from apps.repositories.queries import who_can

MOST_NAMED = 3
HUES = 8
"""Number of avatar colours in app.css (``.avatar--0`` …): classes, because style attributes are not allowed."""


@dataclass(frozen=True, slots=True)
class Face:
    """A person as a chip: visible name, handle without @, initials, colour number."""

    name: str
    handle: str
    initials: str
    hue: int


def face_of(person: Any) -> Face:
    """The face of a user, an actor snapshot, a username, or of the portal itself (``None``)."""
    if not person:
        return Face("GitOps Portal", "", "GP", 0)
    handle = person if isinstance(person, str) else str(getattr(person, "username", "") or "")
    name = handle if isinstance(person, str) else _display_name(person) or handle
    words = [word for word in name.replace(".", " ").replace("-", " ").split() if word[:1].isalnum()]
    initials = "".join(word[0] for word in words[:2]).upper() or "?"
    return Face(name, handle, initials, zlib.crc32((handle or name).encode()) % HUES)


def who_could(user: User, error: NotAllowed) -> str:
    """Who has the role that a refusal misses, in a sentence; empty where none is, or ``user`` may not see who has roles there."""
    role = str(error.details.get("role", ""))
    if not role:
        return ""
    repository = Repository.objects.visible_to(user).filter(name=error.details.get("repository", "")).first()
    if repository is None:
        return ""
    names = who_can(repository, role)
    if not names:
        return f"Nobody can do it in {repository.name} now."
    others = len(names) - MOST_NAMED
    more = f" and {others} more" if others > 0 else ""
    return f"Who can do it in {repository.name}: {', '.join(names[:MOST_NAMED])}{more}."


def _display_name(person: Any) -> str:
    shown = getattr(person, "display_name", "") or getattr(person, "name", "")
    return str(shown or "")
