"""Shapes and answers of locks on environments."""

from __future__ import annotations

from typing import Any

from apps.api.answers import time
from apps.api.fields import Moment, Number, Text, moment, string, whole
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.deployments.models import EnvironmentLock


class LockIn(Shape):
    reason = Text(max_length=300)
    until = Moment(required=False, help_text="With its offset; an hour from now without it, at most 7 days ahead.")


class TakeOverIn(LockIn):
    lock = Number(min_value=1)


class LockOut(Out):
    """A person keeps the environment for their own deployments."""

    id = whole(help_text="By which it is taken over.")
    holder = string()
    reason = string()
    since = moment()
    until = moment()


def lock_json(row: EnvironmentLock) -> dict[str, Any]:
    return {
        "id": row.pk,
        "holder": row.holder.username,
        "reason": row.reason,
        "since": time(row.since),
        "until": time(row.until),
    }
