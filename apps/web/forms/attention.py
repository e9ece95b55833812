"""Forms of moving a turn, for one change or for several at once."""

from __future__ import annotations

from django import forms

from apps.reviews.services.turns import HOUR, MAX_NOTE, REVISION, TOMORROW
from apps.web.forms.base import OnceField


class HandOver(forms.Form):
    idempotency_key = OnceField()
    user = forms.CharField(
        max_length=150,
        label="To whom",
        help_text="A handle. They have to be able to act on the change.",
        widget=forms.TextInput(attrs={"list": "people", "autocomplete": "off"}),
    )
    note = forms.CharField(
        required=False,
        max_length=MAX_NOTE,
        label="Note",
        help_text="They read it beside the change: what you want of them.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class Snooze(forms.Form):
    idempotency_key = OnceField()
    zone = forms.CharField(required=False, max_length=60, widget=forms.HiddenInput)
    until = forms.ChoiceField(
        choices=(), widget=forms.RadioSelect(attrs={"class": "form-check-input"}), label="Until when", initial=HOUR
    )

    def __init__(self, *args: object, zone: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        choices = (
            (HOUR, "For an hour"),
            (TOMORROW, f"Until tomorrow, 09:00 ({zone})"),
            (REVISION, "Until a new revision"),
        )
        self.fields["until"].choices = choices  # type: ignore[attr-defined]
