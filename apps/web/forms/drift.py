"""The form that accepts a finding of drift."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms

from apps.core.clock import now
from apps.presentation.drift_page import SPANS


class AcceptDrift(forms.Form):
    """Which finding, why, and for how long."""

    mark = forms.RegexField(r"[0-9a-f]{64}", widget=forms.HiddenInput)
    reason = forms.CharField(max_length=300, label="Why", widget=forms.TextInput(attrs={"autocomplete": "off"}))
    days = forms.TypedChoiceField(choices=SPANS, coerce=int, label="For")

    def words(self) -> dict[str, Any]:
        """What the service takes."""
        until = now() + timedelta(days=self.cleaned_data["days"])
        return {"mark": self.cleaned_data["mark"], "reason": self.cleaned_data["reason"], "until": until}
