"""Commenting on a line of a log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from apps.reviews.anchors import LogPlace
from apps.web.forms.base import OnceField
from apps.web.forms.reviews import KINDS

MAX_LINE = 999_999_999  # as many digits as the place of a thread takes


class LogComment(forms.Form):
    """``steps`` are the names of those that the ``attempt`` has."""

    idempotency_key = OnceField()
    step = forms.ChoiceField(label="Step")
    line = forms.IntegerField(min_value=1, max_value=MAX_LINE, label="Line")
    body = forms.CharField(max_length=20_000, widget=forms.Textarea(attrs={"rows": 4}), label="Comment")
    kind = forms.ChoiceField(choices=KINDS, required=False, initial="comment", label="Kind")

    def __init__(self, *args: Any, deployment: int, attempt: int, steps: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deployment, self.attempt = deployment, attempt
        self.fields["step"].choices = [(step, step) for step in steps]  # type: ignore[attr-defined]
        place = f"{attempt}-{self['step'].value()}-{self['line'].value()}"
        self.fields["body"].widget.attrs["data-draft"] = f"log-{deployment}-{place}"

    def place(self) -> LogPlace:
        """The line that was named; the form is valid."""
        data = self.cleaned_data
        return LogPlace(self.deployment, data["step"], self.attempt, data["line"])
