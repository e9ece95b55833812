"""The table of shortcuts for pages, in groups. The script acts by the rows that these are shown as."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from apps.accounts.shortcuts import SHORTCUTS, caps


@dataclass(frozen=True, slots=True)
class Row:
    """One shortcut: ``keys`` as the browser names them, ``caps`` as they stand on the keyboard."""

    id: str
    keys: str
    caps: list[str]
    text: str
    fixed: bool
    sends: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The shortcuts of one kind of page."""

    title: str
    rows: list[Row]


class Keyboard:
    """The table as one person has it; made when a template asks."""

    @property
    def groups(self) -> list[Group]:
        return [
            Group(title, [Row(one.id, one.keys, caps(one.keys), one.text, one.fixed, one.sends) for one in rows])
            for title, rows in groupby(SHORTCUTS, key=attrgetter("group"))
        ]
