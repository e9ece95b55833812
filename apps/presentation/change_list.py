"""The list of changes: search, filters that can be taken away one by one, the next page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.search import STATES, TOKEN
from apps.presentation.change_rows import ChangeRow, rows_of
from apps.repositories.queries import visible

OFFERED = ("open", "requested", "draft", "in_review", "merging", "merged", "done", "withdrawn", "all")
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Select:
    """One drop-down of components/filter_bar.html: (value, label, selected)."""

    name: str
    label: str
    options: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """An active filter; ``url`` is the list without it."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class ListPage:
    rows: tuple[ChangeRow, ...]
    q: str
    selects: tuple[Select, ...]
    chips: tuple[Chip, ...]
    next_url: str
    first_url: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for."""

    q: str = ""
    state: str = ""
    repository: str = ""
    after: int | None = None

    def url(self, **other: object) -> str:
        pairs = {"q": self.q, "state": self.state, "repository": self.repository, **other}
        kept = {name: value for name, value in pairs.items() if value}
        return f"/changes/?{urlencode(kept)}" if kept else "/changes/"


def list_page(user: User, wanted: Wanted) -> ListPage:
    """One page of 25; :class:`InvalidInput` for a search that is not understood."""
    state = wanted.state if wanted.state in STATES else ""
    found = changes.list_changes(user, q=wanted.q, state=state, repository=wanted.repository, after=wanted.after)
    return ListPage(
        rows=tuple(rows_of(user, found.items)),
        q=wanted.q,
        selects=selects(user, wanted),
        chips=tuple(chips(wanted)),
        next_url=wanted.url(after=found.next_after) if found.next_after else "",
        first_url=wanted.url() if wanted.after else "",
    )


def select_of(name: str, label: str, every: str, options: Iterable[tuple[str, str]], chosen: str) -> Select:
    """A drop-down of ``(value, text)`` under ``every``, which narrows nothing."""
    rows = [("", every, not chosen), *((value, text, value == chosen) for value, text in options)]
    return Select(name, label, tuple(rows))


def selects(user: User, wanted: Wanted) -> tuple[Select, ...]:
    """Drop-downs for state and repository; one query."""
    states = (
        ("", "Any state", not wanted.state),
        *((s, s.replace("_", " ").capitalize(), s == wanted.state) for s in OFFERED),
    )
    names = list(visible(user).values_list("name", flat=True))
    repositories = (("", "All", not wanted.repository), *((name, name, name == wanted.repository) for name in names))
    return Select("state", "State", states), Select("repository", "Repository", repositories)


def chips(wanted: Wanted) -> list[Chip]:
    """One chip per token of the search and per drop-down, each with the address without it."""
    found = []
    for match in TOKEN.finditer(wanted.q):
        rest = _SPACES.sub(" ", wanted.q[: match.start()] + wanted.q[match.end() :]).strip()
        found.append(Chip(match[0], wanted.url(q=rest)))
    if wanted.state:
        found.append(Chip(f"state: {wanted.state.replace('_', ' ')}", wanted.url(state="")))
    if wanted.repository:
        found.append(Chip(f"repository: {wanted.repository}", wanted.url(repository="")))
    return found
