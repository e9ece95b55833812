"""Writing answers about who is asked to review, and who is away."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.accounts.models import Absence
from apps.api.answers import time
from apps.reviews.balancing import Move
from apps.reviews.models import Choice


def choice_json(choice: Choice | None, *, is_being_chosen: bool) -> dict[str, Any]:
    """Everybody who was considered and why; empty while nobody is chosen."""
    record = choice.record if choice else {}
    return {
        "asked": record.get("asked", 0),
        "named": record.get("named", 0),
        "made_at": time(choice.made_at) if choice else None,
        "is_being_chosen": is_being_chosen,
        "needs": record.get("needs", []),
    }


def plan_json(moves: Iterable[Move]) -> dict[str, Any]:
    return {
        "moves": [
            {
                "key": move.key,
                "change": move.number,
                "title": move.title,
                "user": move.name,
                "to": move.to,
                "why": move.why,
            }
            for move in moves
        ]
    }


def absence_json(row: Absence) -> dict[str, Any]:
    return {
        "id": row.pk,
        "first_day": row.first_day.isoformat(),
        "last_day": row.last_day.isoformat(),
        "time_zone": row.time_zone,
        "starts_at": time(row.starts_at),
        "ends_at": time(row.ends_at),
        "deputy": row.deputy.username if row.deputy else None,
        "note": row.note,
        "cancelled_at": time(row.cancelled_at),
    }
