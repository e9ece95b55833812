"""Forms of connections: the fields are those of the kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from apps.deployments.dispatchers.kinds import Field, Kind
from apps.deployments.models import Connection

QUIET = {"autocomplete": "off", "spellcheck": "false"}


def _field(field: Field, *, is_new: bool) -> forms.CharField:
    is_needed = field.is_required and (is_new or not field.is_secret)
    kept = "" if is_new or not field.is_secret else " Leave it empty to keep the stored one."
    widget: Any = forms.TextInput(attrs=QUIET)
    if field.is_secret:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    elif field.is_long:
        widget = forms.Textarea(attrs={"rows": 4, **QUIET})
    return forms.CharField(
        required=is_needed, label=field.label, help_text=field.help + kept, widget=widget, strip=not field.is_long
    )


class ConnectionForm(forms.Form):
    """A new connection of one kind, or (with ``connection``) the changing of one."""

    name = forms.CharField(max_length=60, help_text="What portal.yaml calls it.", widget=forms.TextInput(attrs=QUIET))
    url = forms.CharField(max_length=500, label="Address", widget=forms.TextInput(attrs=QUIET))

    def __init__(self, data: Any = None, *, kind: Kind, connection: Connection | None = None) -> None:
        initial = {"url": connection.url, **connection.options} if connection is not None else {}
        super().__init__(data, initial=initial)
        self.kind = kind
        if connection is not None:
            del self.fields["name"]
        self.fields["url"].help_text = f"For example {kind.url_help}."
        for field in kind.fields:
            self.fields[field.name] = _field(field, is_new=connection is None)

    def values(self) -> dict[str, str]:
        """What was given; an empty secret means "keep", an empty option "none"."""
        secret = {field.name for field in self.kind.secrets}
        given = {field.name: self.cleaned_data.get(field.name, "") for field in self.kind.fields}
        return {name: value for name, value in given.items() if value or name not in secret}


class AllowConnection(forms.Form):
    """``repositories``: those to choose from; without any a name is written."""

    repository = forms.CharField(max_length=80, widget=forms.TextInput(attrs=QUIET))
    environments = forms.CharField(
        required=False,
        max_length=2000,
        help_text="Names, separated by spaces. Empty: all of its environments.",
        widget=forms.TextInput(attrs=QUIET),
    )

    def __init__(self, data: Any = None, *, repositories: Sequence[str] = ()) -> None:
        super().__init__(data)
        if repositories:
            choices = [("", "Choose one"), *((name, name) for name in repositories)]
            self.fields["repository"].widget = forms.Select(choices=choices)

    def names(self) -> list[str]:
        """The environments that were typed."""
        return str(self.cleaned_data["environments"]).replace(",", " ").split()
