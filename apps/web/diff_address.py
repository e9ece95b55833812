"""What the address of a difference says: the two sides, the layout, numbers. One reading for every page of it."""

from __future__ import annotations

from django.http import HttpRequest

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import NotVisible
from apps.diffs.html import View
from apps.presentation.context import preferences
from apps.presentation.diff_sides import Sides, sides_of


def number_in(request: HttpRequest, name: str) -> int:
    """A number of the query, 0 for anything else."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def view_in(request: HttpRequest, *, remembered: bool = False) -> View:
    """The layout that the address names; with ``remembered``, else the one that this browser has chosen."""
    named = request.GET.get("view", "")
    if not named and remembered:
        named = preferences(request)["layout"]
    return "split" if named == "split" else "unified"


def asked_sides(request: HttpRequest, user: User, change: ChangeRequest) -> Sides | None:
    """The two sides of ``?from=&to=&upstream=&w=`` as ``user`` sees them; ``None`` while there is no code."""
    asked = request.GET
    return sides_of(
        change,
        asked.get("from", ""),
        asked.get("to", ""),
        upstream=asked.get("upstream") == "1",
        viewer=user,
        ignore_space=asked.get("w") == "1",
    )


def sides_in(request: HttpRequest, user: User, number: int) -> Sides:
    """The same for the change with this number; :class:`NotVisible` for one that ``user`` may not see or without code."""
    found = asked_sides(request, user, changes.find_revised(user, number))
    if found is None:
        raise NotVisible("no_revision", f"CHG-{number} has no code yet.")
    return found
