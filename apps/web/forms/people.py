"""Forms of teams, people and tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password

from apps.accounts.scopes import SCOPES
from apps.accounts.services.tokens import DEFAULT_DAYS, MAX_DAYS
from apps.web.forms.base import OnceField

QUIET = {"autocomplete": "off", "spellcheck": "false"}


class EditTeam(forms.Form):
    title = forms.CharField(required=False, max_length=150, help_text="How it is shown: “Site reliability”.")
    description = forms.CharField(required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2}))
    external_group = forms.CharField(
        required=False,
        max_length=300,
        label="Group of the identity provider",
        help_text="Its members join this team when they sign in.",
        widget=forms.TextInput(attrs=QUIET),
    )


class NewTeam(EditTeam):
    name = forms.CharField(
        max_length=60,
        help_text="Rules and CODEOWNERS call it team/NAME; lower-case letters, digits, dashes.",
        widget=forms.TextInput(attrs=QUIET),
    )
    members = forms.CharField(
        required=False, max_length=2000, help_text="Handles, separated by spaces.", widget=forms.TextInput(attrs=QUIET)
    )

    field_order = ("name", "title", "description", "members", "external_group")

    def handles(self) -> list[str]:
        """The handles as they were typed, without @."""
        return [word.removeprefix("@") for word in self.cleaned_data["members"].replace(",", " ").split()]


class AddMember(forms.Form):
    user = forms.CharField(max_length=150, label="Person", widget=forms.TextInput(attrs={"list": "people", **QUIET}))


class NewPerson(forms.Form):
    idempotency_key = OnceField()
    username = forms.CharField(max_length=60, label="Handle", widget=forms.TextInput(attrs=QUIET))
    display_name = forms.CharField(required=False, max_length=150, label="Name")
    email = forms.EmailField(
        required=False, label="E-mail", help_text="You vouch for it: commits with this address count as theirs."
    )
    password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Empty: nobody can sign in until one is set, for example for an account that only has tokens.",
    )
    kind = forms.ChoiceField(
        choices=(("human", "Person"), ("service", "Service account: a programme; it never approves"))
    )
    sponsor = forms.CharField(
        required=False,
        max_length=150,
        label="Who answers for it",
        help_text="For a service account: the handle of a person. What it writes, they cannot approve.",
        widget=forms.TextInput(attrs=QUIET),
    )
    can_connect_repositories = forms.BooleanField(required=False, label="May connect repositories and create teams")
    is_administrator = forms.BooleanField(
        required=False, label="Administrator: manages people, teams and every repository"
    )

    def clean_password(self) -> str | None:
        """None for an empty one; else one that is good enough."""
        typed = str(self.cleaned_data["password"])
        if typed:
            validate_password(typed)
        return typed or None


class NewToken(forms.Form):
    idempotency_key = OnceField()
    name = forms.CharField(
        max_length=100, help_text="What it is for: “nightly export”.", widget=forms.TextInput(attrs=QUIET)
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}), label="What it may do"
    )
    days = forms.IntegerField(min_value=1, max_value=MAX_DAYS, initial=DEFAULT_DAYS, label="Days until it expires")

    def __init__(self, *args: Any, possible: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [(scope, f"{scope}: {SCOPES[scope]}") for scope in possible]  # type: ignore[attr-defined]
