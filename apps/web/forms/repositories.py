"""Forms of repositories: shape only; the services decide what is accepted."""

from __future__ import annotations

from django import forms

from apps.presentation.repository_pages import ROLES

QUIET = {"autocomplete": "off", "spellcheck": "false"}


class Credentials(forms.Form):
    """How the portal signs in; what is left empty is not used."""

    username = forms.CharField(required=False, max_length=200, label="User name", widget=forms.TextInput(attrs=QUIET))
    secret = forms.CharField(
        required=False,
        max_length=4000,
        strip=False,
        label="Password or token",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="For https. Kept encrypted; never shown again. The portal needs to read, and to push merges.",
    )
    ssh_key = forms.CharField(
        required=False,
        max_length=20_000,
        strip=False,
        label="SSH private key",
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", **QUIET}),
        help_text="For ssh. A deploy key that may write.",
    )


class Connect(Credentials):
    name = forms.CharField(
        max_length=80, help_text="How it is called here: letters, digits, dashes. It stands in addresses and never changes.",
        widget=forms.TextInput(attrs=QUIET),
    )  # fmt: skip
    url = forms.CharField(
        max_length=500,
        label="Address",
        widget=forms.TextInput(attrs={"placeholder": "https://git.example.org/team/infra.git", **QUIET}),
        help_text="https://… or ssh://…, or the path of a directory on this machine that an administrator allows.",
    )
    default_branch = forms.CharField(
        required=False, max_length=250, label="Main branch", help_text="Empty: the one that the repository names.",
        widget=forms.TextInput(attrs=QUIET),
    )  # fmt: skip

    field_order = ("name", "url", "default_branch", "username", "secret", "ssh_key")


class SetMember(forms.Form):
    """``member`` is a handle or ``team/NAME``, offered as a list and typed without JavaScript as well."""

    member = forms.CharField(
        max_length=160, label="Person or team", widget=forms.TextInput(attrs={"list": "principals", **QUIET})
    )
    role = forms.ChoiceField(choices=ROLES, initial="reviewer")
