"""The form of a lock on an environment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms

from apps.core.clock import now

HOURS = ((1, "1 hour"), (4, "4 hours"), (8, "8 hours"), (24, "a day"), (72, "3 days"), (168, "7 days"))


class LockEnvironment(forms.Form):
    """Why, and for how long."""

    reason = forms.CharField(max_length=300, label="Why", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    hours = forms.TypedChoiceField(choices=HOURS, coerce=int, label="For", initial=1)

    def words(self) -> dict[str, Any]:
        """What the service takes."""
        until: datetime = now() + timedelta(hours=self.cleaned_data["hours"])
        return {"reason": self.cleaned_data["reason"], "until": until}
