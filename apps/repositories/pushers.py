"""Who pushed, as far as a signed notice of the forge says so. It can exclude a person, never grant anything."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from apps.accounts.models import User
from apps.accounts.queries import people_by_email, users_by_handle
from apps.repositories.models import RefUpdate, WebhookDelivery
from apps.repositories.transitions import Move
from apps.vcs.history import is_known_ancestor


def people_of(deliveries: Iterable[WebhookDelivery]) -> dict[int, User]:
    """Delivery → account, by verified e-mail address, else by equal handle."""
    rows = list(deliveries)
    by_email = people_by_email({row.pusher_email for row in rows})
    by_handle = users_by_handle({row.pusher_name for row in rows if row.pusher_name})
    found = {row.pk: by_email.get(row.pusher_email) or by_handle.get(row.pusher_name) for row in rows}
    return {pk: user for pk, user in found.items() if user is not None}


def split_by_pushes(git_dir: Path, moves: list[Move], deliveries: list[WebhookDelivery]) -> list[Move]:
    """One move per announced push, so that everybody who pushed between two looks is named."""
    people = people_of(deliveries)
    steps: list[Move] = []
    for move in moves:
        notices = [row for row in deliveries if row.branch == move.branch and row.new_oid]
        steps += _steps(git_dir, move, notices, people)
    return steps


def _steps(git_dir: Path, move: Move, notices: list[WebhookDelivery], people: dict[int, User]) -> list[Move]:
    steps, old = [], move.old
    if move.kind == RefUpdate.Kind.ADVANCED:
        for row in notices:
            if row.new_oid not in {old, move.new} and _between(git_dir, old, row.new_oid, move.new):
                steps.append(Move(move.branch, move.kind, old, row.new_oid, move.cause, people.get(row.pk)))
                old = row.new_oid
    last = next((people.get(row.pk) for row in reversed(notices) if row.new_oid == move.new), None)
    return [*steps, Move(move.branch, move.kind, old, move.new, move.cause, move.pusher or last)]


def _between(git_dir: Path, old: str, middle: str, new: str) -> bool:
    """A notice can name a commit that the mirror does not have: that one is not between."""
    return is_known_ancestor(git_dir, old, middle) and is_known_ancestor(git_dir, middle, new)
