"""The one place that asks for the time, so that tests can move it."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The current moment, aware, UTC."""
    return timezone.now()
