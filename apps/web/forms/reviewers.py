"""Forms about who is asked to review, and of absences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from apps.accounts.absences import zone_names
from apps.reviews.balancing import Move

WHO = {"list": "people", "autocomplete": "off", "spellcheck": "false"}
DAY = {"type": "date"}


class Decline(forms.Form):
    reason = forms.CharField(
        max_length=300,
        label="Why not you",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Everybody can read it.",
    )
    better = forms.CharField(
        required=False,
        max_length=150,
        label="A better person",
        help_text="Asked at once. Empty: the next best person is chosen.",
        widget=forms.TextInput(attrs=WHO),
    )


class Swap(forms.Form):
    user = forms.CharField(max_length=150, widget=forms.HiddenInput)
    to = forms.CharField(
        required=False,
        max_length=150,
        label="Ask instead",
        help_text="Empty: the next best person is chosen.",
        widget=forms.TextInput(attrs=WHO),
    )
    reason = forms.CharField(
        max_length=300, widget=forms.Textarea(attrs={"rows": 2}), help_text="Everybody can read it."
    )


class Rebalance(forms.Form):
    moves = forms.MultipleChoiceField(
        label="Moves", widget=forms.CheckboxSelectMultiple, error_messages={"invalid_choice": ""}
    )

    def __init__(self, *args: Any, plan: Iterable[Move], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = [(row.key, f"CHG-{row.number} {row.title}: @{row.name} to @{row.to}, {row.why}") for row in plan]
        self.fields["moves"].choices = shown  # type: ignore[attr-defined]
        self.initial["moves"] = [key for key, _ in shown]


class Away(forms.Form):
    """Days in the person's own time zone, and who stands in."""

    first_day = forms.DateField(label="First day", widget=forms.DateInput(attrs=DAY, format="%Y-%m-%d"))
    last_day = forms.DateField(label="Last day", widget=forms.DateInput(attrs=DAY, format="%Y-%m-%d"))
    deputy = forms.CharField(
        required=False,
        max_length=150,
        label="Who stands in",
        help_text="Asked instead where they may approve; otherwise the next best person is.",
        widget=forms.TextInput(attrs=WHO),
    )
    note = forms.CharField(
        required=False, max_length=200, help_text="Only the person who is away and administrators read it."
    )


class TimeZone(forms.Form):
    time_zone = forms.ChoiceField(
        required=False,
        label="Time zone",
        help_text="The times on your pages are in it, and those that you type; others see what time it is where you are. Until you tell one it is UTC.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = [("", "Not told"), *((name, name) for name in zone_names())]  # type: ignore[attr-defined]
