"""The form of one's own keys: a field for each shortcut that may move."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from django import forms
from django.forms.boundfield import BoundField
from django.http import QueryDict

from apps.accounts.keymaps import effective
from apps.accounts.models import User
from apps.accounts.shortcuts import BY_ID, SHORTCUTS, caps

QUIET = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false", "class": "key-field", "size": "8"}
MOVABLE = [one for one in SHORTCUTS if not one.fixed]


class KeyboardForm(forms.Form):
    """``is_on``, and for each shortcut a text under its id: ``n``, ``Shift+N``, ``g q``, or nothing for none."""

    is_on = forms.BooleanField(required=False, label="Shortcuts work")

    def __init__(self, data: QueryDict | None = None, *, user: User) -> None:
        keys = effective(user.shortcut_keys)
        written = {one.id: " ".join(caps(keys[one.id])) for one in MOVABLE}
        super().__init__(data, initial={"is_on": user.shortcuts_on} | written)
        for one in MOVABLE:
            self.fields[one.id] = forms.CharField(
                label=one.text, max_length=20, required=False, widget=forms.TextInput(attrs=QUIET)
            )

    def groups(self) -> list[tuple[str, list[tuple[BoundField, str]]]]:
        """The fields as they are shown: title of the group, and each field with its default where it differs."""
        return [
            (title, [(self[one.id], self._default(one.id)) for one in rows])
            for title, rows in groupby(MOVABLE, key=attrgetter("group"))
        ]

    def _default(self, name: str) -> str:
        default = " ".join(caps(BY_ID[name].keys))
        return "" if str(self[name].value() or "").strip() == default else default

    def keys(self) -> dict[str, str]:
        """What was typed; ``reset`` names the one shortcut, or ``all``, that goes back to its default."""
        reset = self.data.get("reset", "")
        return {one.id: self.cleaned_data[one.id] for one in MOVABLE if reset not in {one.id, "all"}}
