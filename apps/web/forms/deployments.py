"""Forms around deployments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.web.forms.base import OnceField

OUTCOMES = (
    ("succeeded", "It ran: the environment is in the state of this change"),
    ("failed", "It did not run, or not to its end"),
)


class Resolve(forms.Form):
    outcome = forms.ChoiceField(
        choices=OUTCOMES, widget=forms.RadioSelect(attrs={"class": "form-check-input"}), label="What happened"
    )
    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="How do you know?",
        help_text="Everybody can read it; the record keeps it.",
    )


class Retry(forms.Form):
    """``steps``: number and words of each step at which a new attempt may begin; fewer than two: nothing to choose."""

    only_failed = forms.CharField(required=False, widget=forms.HiddenInput)
    from_step = forms.ChoiceField(
        label="What runs again", initial=0, widget=forms.RadioSelect(attrs={"class": "form-check-input"})
    )

    def __init__(self, *args: Any, steps: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["from_step"].choices = steps  # type: ignore[attr-defined]
        if len(steps) < 2:
            del self.fields["from_step"]


class Confirmed(forms.Form):
    """A form before an act in ``confirm_name``, a protected environment whose name has to be typed; empty: none is."""

    confirm = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, confirm_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.confirm_name = confirm_name
        if not confirm_name:
            del self.fields["confirm"]
            return
        field = self.fields["confirm"]
        field.label = f"Type {confirm_name} to go on"
        field.help_text = f"{confirm_name} is protected."

    def clean_confirm(self) -> str:
        typed = str(self.cleaned_data["confirm"]).strip()
        if typed != self.confirm_name:
            raise ValidationError(f"This is not the name of the environment. Type {self.confirm_name}.")
        return typed


class Deploy(Confirmed):
    environment = forms.CharField(widget=forms.HiddenInput)


class RollBack(Confirmed):
    """``confirmers``: who confirms an emergency of it; without them, none can be declared with it. ``tip`` is the commit of the branch
    and ``environments`` what goes back, as the page showed them.
    """

    idempotency_key = OnceField()
    tip = forms.CharField(max_length=64, required=False, widget=forms.HiddenInput)
    environments = forms.CharField(required=False, widget=forms.HiddenInput)
    emergency = forms.CharField(
        required=False,
        max_length=500,
        label="Only in an emergency: what happened",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    incident = forms.CharField(
        required=False, max_length=500, label="Incident", help_text="Its address or id, if there is one."
    )

    field_order = ("idempotency_key", "tip", "environments", "emergency", "incident", "confirm")

    def __init__(self, *args: Any, confirmers: Iterable[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if names := " or ".join(confirmers):
            self.fields["emergency"].help_text = (
                f"With this, an emergency is declared at once: when {names} confirmed it, the rules are set aside for an hour "
                "and owed afterwards. Everybody reads it."
            )
        else:
            del self.fields["emergency"], self.fields["incident"]

    def clean_environments(self) -> list[str]:
        return str(self.cleaned_data["environments"]).split()
