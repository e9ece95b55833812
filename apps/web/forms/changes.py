"""Forms of change requests: they check shape; what is allowed is decided by the services."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from apps.web.forms.base import OnceField

NO_CODE = "No code yet: ask for it (backlog)"


class DescribeChange(forms.Form):
    """Title and description, as they are edited later too."""

    title = forms.CharField(
        max_length=200, help_text="What will be different, in one line: “Raise ingress replicas in production”."
    )
    description = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="Why, what to look at, how to go back. Markdown works.",
    )


class NewChange(DescribeChange):
    """A change from a branch, or a request without code."""

    idempotency_key = OnceField()
    source_branch = forms.ChoiceField(
        required=False,
        label="Branch",
        help_text="Choose a pushed branch, or ask for a change that somebody else writes.",
    )
    target_branch = forms.ChoiceField(required=False, label="Into", help_text="The branch it is merged into.")
    draft = forms.BooleanField(required=False, label="Draft: nobody is asked to review yet")

    field_order = ("source_branch", "target_branch", "title", "description", "draft", "idempotency_key")

    def __init__(self, *args: Any, branches: Iterable[str], default_branch: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = list(branches)
        sources = [name for name in names if name != default_branch]
        self.fields["source_branch"].choices = [("", NO_CODE), *((name, name) for name in sources)]  # type: ignore[attr-defined]
        targets = [default_branch, *(name for name in names if name != default_branch)]
        self.fields["target_branch"].choices = [(name, name) for name in targets]  # type: ignore[attr-defined]
        self.fields["target_branch"].initial = default_branch


class AttachBranch(forms.Form):
    source_branch = forms.ChoiceField(label="Branch")
    draft = forms.BooleanField(required=False, label="Keep it a draft for now")

    def __init__(self, *args: Any, branches: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["source_branch"].choices = [(name, name) for name in branches]  # type: ignore[attr-defined]


class Retarget(forms.Form):
    target_branch = forms.ChoiceField(label="Merge into")

    def __init__(self, *args: Any, branches: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["target_branch"].choices = [(name, name) for name in branches]  # type: ignore[attr-defined]


class GiveReason(forms.Form):
    reason = forms.CharField(required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2}))


class DeclareEmergency(forms.Form):
    reason = forms.CharField(
        max_length=500,
        label="What happened",
        help_text="Everybody reads it, and it stays on record.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    incident = forms.CharField(required=False, max_length=500, label="Incident", help_text="Its address or its id.")


class SayWhy(forms.Form):
    reason = forms.CharField(
        max_length=500, widget=forms.Textarea(attrs={"rows": 2}), help_text="Everybody can read it."
    )


class Assign(forms.Form):
    """Ask a person; ``user`` is a handle, offered as a list and typed without JavaScript as well."""

    user = forms.CharField(
        max_length=150, label="Person", widget=forms.TextInput(attrs={"list": "people", "autocomplete": "off"})
    )
    reason = forms.CharField(
        required=False, max_length=300, label="Why this person", help_text="Optional; shown to them."
    )
