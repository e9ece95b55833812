"""Shapes and answers of what went past the portal."""

from __future__ import annotations

from typing import Any

from apps.api.answers import time
from apps.api.fields import maybe_moment, maybe_number, maybe_text, moment, string, whole, word
from apps.api.outputs import Out
from apps.changes.models import OutsideChange
from apps.changes.outside import proposal_of
from apps.repositories.models import RefUpdate


class OutsideChangeOut(Out):
    id = whole()
    repository = string()
    branch = string()
    kind = word(RefUpdate.Kind)
    old = string()
    new = maybe_text("Null: the branch was deleted.")
    pusher = maybe_text()
    seen_at = moment()
    proposal = maybe_number("The open change that is to settle it.")
    outcome = maybe_text("adopted, reverted or gone; null while it is open.")
    settled_at = maybe_moment()


def outside_change_json(row: OutsideChange) -> dict[str, Any]:
    proposal = proposal_of(row)
    return {
        "id": row.pk,
        "repository": row.repository.name,
        "branch": row.branch,
        "kind": row.kind,
        "old": row.old_oid,
        "new": row.new_oid or None,
        "pusher": row.pusher.username if row.pusher else None,
        "seen_at": time(row.seen_at),
        "proposal": proposal.number if proposal else None,
        "outcome": row.outcome or None,
        "settled_at": time(row.settled_at),
    }
