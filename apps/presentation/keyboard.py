"""The table of shortcuts for pages, in groups. The script acts by the rows that these are shown as."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from apps.accounts.keymaps import effective
from apps.accounts.models import User
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
    """The table as one person has it; who is not signed in has the defaults, and ``choice`` of a cookie: on or off.

    ``user`` is asked only when a template asks, because pages of errors must not need it.
    """

    def __init__(self, user: object, choice: str = "") -> None:
        self._user, self._choice = user, choice

    @property
    def is_on(self) -> bool:
        return self._user.shortcuts_on if isinstance(self._user, User) else self._choice != "off"

    @property
    def groups(self) -> list[Group]:
        keys = effective(self._user.shortcut_keys if isinstance(self._user, User) else {})
        return [
            Group(
                title, [Row(one.id, keys[one.id], caps(keys[one.id]), one.text, one.fixed, one.sends) for one in rows]
            )
            for title, rows in groupby(SHORTCUTS, key=attrgetter("group"))
        ]
