"""Choosing a time: on the clock of a zone that is always named."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils import timezone

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
    """``first`` is what stands in the field at first."""

    def __init__(self, *args: Any, zone: ZoneInfo, first: datetime | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["at"] = WallTime(
            zone=zone,
            label="When",
            initial=first,
            help_text=f"In the time of {zone.key}. It is judged when the time has come.",
        )


class ScheduleMerge(Schedule):
    def __init__(self, *args: Any, zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, zone=zone, **kwargs)
        self.fields["until"] = WallTime(
            zone=zone,
            required=False,
            label="Give up after",
            help_text="Until then it is tried again while something is missing. Empty: an hour.",
        )
