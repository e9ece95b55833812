"""Choosing a time: on the clock of a zone that is always named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone

from apps.policies.calendar import words

ANYWAY = "anyway"
NO_PROPOSAL = " No time is proposed: something holds it at every time that can be chosen, the next 90 days."
TYPED = "%Y-%m-%dT%H:%M"


class WallTime(forms.DateTimeField):
    """Date and time of ``zone``; a time that the clocks skip or show twice is refused, for nobody knows which is meant."""

    def __init__(self, *, zone: ZoneInfo, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=TYPED)
        super().__init__(widget=widget, input_formats=[TYPED, "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"], **kwargs)
        self.zone = zone

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(self.zone):
            return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        return timezone.make_naive(value, self.zone) if isinstance(value, datetime) and value.tzinfo else value


class Schedule(forms.Form):
    """``first`` is what stands in the field at first, ``None``: no time can be proposed; ``held``: what will hold it at a time, in words, which
    has to be said to be meant. Saying so counts for that time and those words alone.
    """

    all_the_same = "it goes on when nothing holds it any more"

    def __init__(
        self, *args: Any, zone: ZoneInfo, held: Callable[[datetime], str], first: datetime | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.held = held
        self.zone = zone
        self.fields["at"] = WallTime(
            zone=zone,
            label="When",
            initial=first,
            help_text=f"In the time of {zone.key}. It is judged when the time has come.{'' if first else NO_PROPOSAL}",
        )

    def _offer_anyway(self, at: datetime, meant: str, *, is_said: bool) -> None:
        """The tick carries what it is for, so that it cannot be taken for another time."""
        widget = forms.CheckboxInput(attrs={"value": meant}, check_test=lambda _: is_said)
        label = f"Schedule it all the same for {words(at, self.zone.key)}: {self.all_the_same}"
        self.fields[ANYWAY] = forms.BooleanField(required=False, label=label, widget=widget)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        at = given.get("at")
        if at is not None and (text := self.held(at)):
            meant = f"{at.astimezone(UTC).isoformat()} {text}"
            is_said = self.data.get(ANYWAY) == meant
            self._offer_anyway(at, meant, is_said=is_said)
            if not is_said:
                self.add_error("at", text)
        return given


class ScheduleMerge(Schedule):
    all_the_same = "it merges if that ends before it is given up"

    def __init__(self, *args: Any, zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, zone=zone, **kwargs)
        self.fields["until"] = WallTime(
            zone=zone,
            required=False,
            label="Give up after",
            help_text="Until then it is tried again while something is missing. Empty: an hour.",
        )
