"""Answers of the board, and of two environments beside each other."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.drift_outputs import DriftFindingOut, finding_json
from apps.api.fields import Text, maybe_moment, maybe_number, maybe_text, moment, string, texts, whole, word
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.deployments.queries.comparing import Side
from apps.deployments.queries.drift import ACCEPTED, DRIFTED, IN_SYNC, STALE, UNKNOWN
from apps.deployments.queries.drift import STATES as DRIFT_STATES
from apps.presentation.between_words import REASONS as LACKING
from apps.presentation.between_words import OneSided
from apps.presentation.board import Board, Cell
from apps.presentation.compared_drift import SideDrift
from apps.presentation.comparison_page import ComparedField, ComparedResource, ComparedTarget, Comparison
from apps.presentation.drift_words import DriftWord
from apps.presentation.rendered_rows import FieldRow

REASONS = ("not_promoted", "not_deployed", "deployed", "overlay", "both", "unknown")
TARGET_STATES = ("not_asked", "plan", "only_drift", "queued", "rendered", "failed")


class CompareIn(Shape):
    """``from`` and ``to`` are no names of Python, so they are declared below."""

    at = Text(required=False, allow_blank=True, default="", max_length=60)
    to_at = Text(required=False, allow_blank=True, default="", max_length=60)

    def get_fields(self) -> Any:
        sides = {
            "from": Text(max_length=160, help_text="repository/environment"),
            "to": Text(
                required=False, allow_blank=True, default="", max_length=160, help_text="repository/environment, or git"
            ),
        }
        return sides | super().get_fields()


class ComparedSideOut(Out):
    repository = string()
    environment = string()
    at = maybe_moment()
    git = serializers.BooleanField(help_text="Whether it is the tip of the default branch, deployed or not.")
    commit = maybe_text("What was live; null: nothing.")
    deployment = maybe_number()
    change = maybe_number()
    live_from = maybe_moment()
    drift = maybe_text(f"One of {', '.join(DRIFT_STATES)}; null: it is not what runs now.")
    drift_checked_at = maybe_moment()


class LackingOut(Out):
    """``change``: the roll-back, or the earlier state brought back, that took it out; ``deployment``: what was tried last, and failed."""

    reason = word(LACKING)
    text = string()
    change = maybe_number()
    deployment = maybe_number()


class ChangeBetweenOut(Out):
    number = whole()
    title = string()
    due = serializers.BooleanField(help_text="Whether it was to be deployed to the side that lacks it.")
    reasons = LackingOut(many=True, help_text="Why that side lacks it, where that is known.")
    merged_at = maybe_moment()


class ComparedFieldOut(Out):
    path = string()
    reason = word(REASONS)
    secret = serializers.BooleanField(help_text="Only fingerprints of it are known.")

    def get_fields(self) -> Any:
        words = "Of a value of many lines those that differ, with three around each; a line that begins with @@ says where they stand."
        return super().get_fields() | {"from": maybe_text(words), "to": maybe_text(words)}


class ComparedResourceOut(Out):
    kind = string()
    namespace = string(allow_blank=True)
    name = string()
    presence = word(("both", "from", "to"))
    reason = word(REASONS)
    secret = serializers.BooleanField()

    def get_fields(self) -> Any:
        return super().get_fields() | {"fields": ComparedFieldOut(many=True)}


class ComparedFindingOut(DriftFindingOut):
    """``accepted`` findings count for nothing until their time is over."""

    reason = word(("drift",))


class ComparedDriftOut(Out):
    """What the last check of a target told about a side that is what runs now; ``stale``: it may be otherwise by now."""

    side = word(("from", "to"))
    state = word((STALE, DRIFTED, UNKNOWN, IN_SYNC, ACCEPTED))
    why = maybe_text("Why it is not known, or what of it was not compared.")
    checked_at = moment()
    findings = ComparedFindingOut(many=True)
    more = whole(help_text="Findings that are not listed.")


class ComparedTargetOut(Out):
    """``resources``: what differs as it was deployed; ``drift``: what runs otherwise than that. ``only_drift``: neither side names it.

    Only where ``as_it_runs`` is true is what is equal here known to be equal where it runs.
    """

    name = string(help_text="Empty: an environment as a whole.")
    state = word(TARGET_STATES)
    message = maybe_text("Why it could not be compared.")
    resources = ComparedResourceOut(many=True)
    more = whole(help_text="Resources that differ and are not listed.")
    unchanged = whole()
    as_it_runs = serializers.BooleanField(
        help_text="Whether every side that runs now was checked lately, and is as deployed."
    )
    drift = ComparedDriftOut(many=True)


class EnvironmentsComparedOut(Out):
    only_in_to = ChangeBetweenOut(many=True)
    only_in_from = ChangeBetweenOut(many=True)
    more = serializers.BooleanField(
        help_text="Whether only the newest commits were looked at, so that changes may be left out."
    )
    files = texts("Paths that differ.")
    problem = maybe_text("Why changes or targets cannot be told.")
    targets = ComparedTargetOut(many=True)

    def get_fields(self) -> Any:
        return {"from": ComparedSideOut(), "to": ComparedSideOut()} | super().get_fields()


class CellOut(Out):
    environment = string()
    sync = word(("up_to_date", "behind", "never_deployed"))
    health = word(
        ("not_checked", "was_healthy", "healthy", "degraded", "down", "deploying", "unknown", "deploy_failed")
    )
    health_why = maybe_text("What is not well, where a look has told it.")
    health_checked_at = maybe_moment()
    since = maybe_moment()
    deployment = maybe_number()
    behind = whole()
    waiting = whole()
    frozen_until = maybe_text("In words.")
    locked_by = maybe_text("Whose deployments alone start there; null: nobody holds a lock.")
    locked_until = maybe_moment()
    drift = maybe_text(f"One of {', '.join(DRIFT_STATES)}; null: nothing is live.")
    drift_checked_at = maybe_moment()
    live_commit = maybe_text()
    live_change = maybe_number()
    live_since = maybe_moment()
    live_by = maybe_text()


class BoardRowOut(Out):
    repository = string()
    service = maybe_text("A target of portal.yaml; null: the repository names none.")
    cells = CellOut(many=True)


class BoardOut(Out):
    as_of = moment()
    environments = texts("In promotion order.")
    results = BoardRowOut(many=True)
    next = maybe_text("The address of the following page; null on the last one.")
    more_environments = maybe_text("The address of the same rows with the following environments.")
    unread = texts("Repositories whose mirror or policy cannot be read: whether a freeze holds there is not known.")
    left_out = whole(
        help_text="With `state=frozen`: repositories that were not looked at. Ask for one with `repository`."
    )


def comparison_json(page: Comparison) -> dict[str, Any]:
    """The shape of :class:`EnvironmentsComparedOut`."""
    compared, between = page.compared, page.between
    assert compared is not None  # noqa: S101 - the endpoint asks for two sides
    assert between is not None  # noqa: S101

    return {
        "from": _side(compared.start, page.drifts.start),
        "to": _side(compared.end, page.drifts.end),
        "only_in_to": [_change(one) for one in page.only_end],
        "only_in_from": [_change(one) for one in page.only_start],
        "more": between.more,
        "files": list(between.paths),
        "problem": between.problem or page.problem or None,
        "targets": [_target(one) for one in page.targets],
    }


def _change(one: OneSided) -> dict[str, Any]:
    reasons = [
        {"reason": why.key, "text": why.text, "change": why.change, "deployment": why.deployment}
        for why in one.reasons
    ]  # fmt: skip
    change = one.change
    return {
        "number": change.number,
        "title": change.title,
        "due": one.due,
        "reasons": reasons,
        "merged_at": time(change.merged_at),
    }


def _side(side: Side, drift: DriftWord | None) -> dict[str, Any]:
    live = side.deployment
    return {
        "repository": side.environment.repository.name,
        "environment": side.environment.name,
        "at": time(side.moment),
        "git": side.is_git,
        "commit": side.commit or None,
        "deployment": live.number if live else None,
        "change": live.change.number if live else None,
        "live_from": time(live.ended_at) if live else None,
        "drift": drift.known.state if drift else None,
        "drift_checked_at": time(drift.known.checked_at) if drift else None,
    }


def _target(target: ComparedTarget) -> dict[str, Any]:
    return {
        "name": target.name,
        "state": target.state,
        "message": target.message or None,
        "resources": [_resource(one) for one in target.resources],
        "more": target.more,
        "unchanged": target.unchanged,
        "as_it_runs": target.is_as_it_runs,
        "drift": [_drift(one) for one in target.drift],
    }


def _drift(one: SideDrift) -> dict[str, Any]:
    check = one.rows.check
    findings = [finding_json(resource.name, row) for resource in one.rows.resources for row in resource.rows]
    return {
        "side": one.which,
        "state": one.state,
        "why": check.why or None,
        "checked_at": time(check.checked_at),
        "findings": [finding | {"reason": "drift"} for finding in findings],
        "more": check.more,
    }


def _resource(one: ComparedResource) -> dict[str, Any]:
    return {
        "kind": one.change.id.kind,
        "namespace": one.change.id.namespace,
        "name": one.change.id.name,
        "presence": one.presence,
        "reason": one.reason,
        "secret": one.is_secret,
        "fields": [_field(field) for field in one.fields],
    }


def _field(field: ComparedField) -> dict[str, Any]:
    before, after = _side_of(field.row, "-"), _side_of(field.row, "+")
    return {
        "path": field.row.path, "from": before, "to": after, "reason": field.reason, "secret": field.is_secret
    }  # fmt: skip


def _side_of(row: FieldRow, sign: str) -> str | None:
    """A value, or of a long one the lines that differ and those around them; what is left out between and after says so."""
    value = row.before if sign == "-" else row.after
    if value is None or not row.lines:
        return value
    return "\n".join(line.text for line in row.lines if line.sign in (sign, " ", "@"))


def board_json(board: Board) -> dict[str, Any]:
    """The shape of :class:`BoardOut`."""
    return {
        "as_of": time(board.as_of),
        "environments": list(board.columns),
        "results": [
            {
                "repository": row.repository,
                "service": row.service or None,
                "cells": [_cell(cell) for cell in row.cells if cell is not None],
            }
            for row in board.rows
        ],
        "next": _api(board.next_url),
        "more_environments": _api(board.later_url),
        "unread": list(board.unread),
        "left_out": board.left_out,
    }


def _api(url: str) -> str | None:
    return url.replace("/environments/", "/api/v1/environments/board/", 1) if url else None


def _cell(cell: Cell) -> dict[str, Any]:
    live, lock = cell.place.live, cell.place.lock
    about = cell.place.active or (cell.place.last if cell.health == "deploy_failed" else None)
    return {
        "environment": cell.environment.name,
        "sync": cell.sync,
        "health": cell.health,
        "health_why": (cell.seen.why or None) if cell.seen else None,
        "health_checked_at": time(cell.seen.at) if cell.seen else None,
        "since": time(cell.health_since),
        "deployment": about.number if about else None,
        "behind": cell.place.behind,
        "waiting": len(cell.place.pending),
        "frozen_until": cell.frozen_until or None,
        "locked_by": lock.holder.username if lock else None,
        "locked_until": time(lock.until) if lock else None,
        "drift": cell.drift.known.state if cell.drift else None,
        "drift_checked_at": time(cell.drift.known.checked_at) if cell.drift else None,
        "live_commit": cell.environment.live_commit or None,
        "live_change": live.change.number if live else None,
        "live_since": time(cell.environment.live_since),
        "live_by": live.requested_by.username if live else None,
    }
