"""Shapes and answers of decisions to merge, and of what guards them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.fields import Flag, Text, maybe_moment, maybe_number, maybe_text, moment, string, whole, word
from apps.api.outputs import Out
from apps.api.repository_outputs import RepositoryOut
from apps.api.shapes import Shape
from apps.deployments.models import MergeIntent, TargetFreeze
from apps.deployments.queries import why_it_waits


class ClaimsIn(Shape):
    claims_required = Flag(
        help_text="False: merges and runs go on where the host keeps no claim; then only the push lease guards merges."
    )


class ClaimsOut(RepositoryOut):
    claims_required = serializers.BooleanField()
    claim_refused_at = maybe_moment()  # null when the host took the last claim, or was never asked


class IntentOut(Out):
    change = whole()
    state = word(MergeIntent.State)
    revision = whole()
    merge_commit = maybe_text()
    requested_by = string()
    decided_at = moment()
    key = maybe_text("By which others recognise this decision; the trailer Dispatch-Key of the merge commit.")
    claim = maybe_text(
        "held: the target repository keeps the claim; refused: its host takes none; null: not claimed yet."
    )
    waits = maybe_text("Why it has not landed yet; null while it is under way as it should be.")
    returned = maybe_text("Why it was given back to review.")
    verification = maybe_text(
        "pending, passed or failed: what landed, compared with what was approved; null before it landed."
    )
    verified_at = maybe_moment()
    wrong = maybe_text("What is wrong with what landed.")


def intent_json(row: MergeIntent) -> dict[str, Any]:
    is_returned = row.state == MergeIntent.State.RETURNED
    return {
        "change": row.change.number,
        "state": row.state,
        "revision": row.revision.number,
        "merge_commit": row.merge_commit or None,
        "requested_by": row.requested_by.username,
        "decided_at": time(row.created_at),
        "key": row.key or None,
        "claim": row.claim or None,
        "waits": why_it_waits(row) or None,
        "returned": row.outcome.get("message") if is_returned else None,
        "verification": row.verification or None,
        "verified_at": time(row.verified_at),
        "wrong": row.outcome.get("message") if row.verification == MergeIntent.Verification.FAILED else None,
    }


class LiftIn(Shape):
    reason = Text(max_length=500)


class FreezeOut(Out):
    id = whole()
    repository = string()
    branch = string()
    reason = string()
    change = maybe_number("Whose merge it is about.")
    commit = maybe_text()
    frozen_at = moment()
    lifted_at = maybe_moment()
    lifted_by = maybe_text()
    lift_reason = maybe_text()


def freeze_json(row: TargetFreeze) -> dict[str, Any]:
    return {
        "id": row.pk,
        "repository": row.repository.name,
        "branch": row.branch,
        "reason": row.reason,
        "change": row.change.number if row.change else None,
        "commit": row.commit or None,
        "frozen_at": time(row.created_at),
        "lifted_at": time(row.lifted_at),
        "lifted_by": row.lifted_by.username if row.lifted_by else None,
        "lift_reason": row.lift_reason or None,
    }
