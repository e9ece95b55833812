"""Shapes and answers of the drift of an environment."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.fields import Moment, Text, maybe_moment, maybe_number, maybe_text, moment, string, texts, whole, word
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.deployments.dispatchers.drift import KINDS
from apps.deployments.models import DriftAcceptance, DriftCheck
from apps.deployments.queries.drift import DRIFTED, IN_SYNC, STATES, UNKNOWN
from apps.presentation.drift_page import DriftPage, FindingRow, TargetRows


class AcceptDriftIn(Shape):
    mark = Text(max_length=64, help_text="Of the finding: another value is another finding.")
    reason = Text(max_length=300)
    until = Moment(help_text="With its offset; at most 90 days ahead.")


class AcceptanceOut(Out):
    """Somebody lets a finding be for a while."""

    mark = string()
    resource = string()
    path = string()
    reason = string()
    accepted_by = string()
    accepted_at = moment()
    until = moment()


class DriftFindingOut(Out):
    resource = string()
    kind = word(KINDS)
    path = string(help_text="Empty: the whole resource.")
    wanted = string(help_text="As it was deployed, in words; secrets are fingerprints.")
    found = string(help_text="As it is, in words; secrets are fingerprints.")
    mark = string()
    can_be_accepted = serializers.BooleanField(help_text="false: only that it differs is known, not how.")
    accepted = AcceptanceOut(allow_null=True)


class DriftTargetOut(Out):
    target = string(help_text="Empty: the environment as a whole.")
    way = string(help_text="How it was compared; empty: there is no way.")
    state = word((IN_SYNC, DRIFTED, UNKNOWN))
    why = maybe_text("Why it is not known, or what of it was not compared.")
    deployment = whole()
    commit = string()
    checked_at = moment()
    looked_at = whole(help_text="Resources that were compared.")
    not_looked = texts("What it says nothing about.")
    findings = DriftFindingOut(many=True)
    more = whole(help_text="Findings that are not listed.")


class DriftAdoptionOut(Out):
    """Somebody asked for a change that adopts what was found. Without an end it is being written."""

    asked_by = string()
    asked_at = moment()
    ended_at = maybe_moment()
    change = maybe_number("Its number; null: there is none (yet).")
    problem = maybe_text("Why there is none.")
    gone_since = Moment(
        allow_null=True,
        help_text="From when on no look found what its open change was made of; null: it is there, or not known.",
    )


class DriftOut(Out):
    """``stale``: what is known is too old, or about something that is no longer live; ``was`` is what it told then."""

    state = word(STATES)
    was = maybe_text("null: it is not stale.")
    fields_open = whole(help_text="Findings that nobody accepted.")
    resources_open = whole()
    accepted = whole()
    checked_at = maybe_moment()
    since = maybe_moment()
    every_seconds = whole(help_text="0: only when somebody asks.")
    asked = serializers.BooleanField(help_text="Whether a check was asked for and has not begun.")
    held_by = maybe_number("The deployment that holds the environment: nobody looks before it is over.")
    adoption = DriftAdoptionOut(allow_null=True, help_text="The last that was asked for.")
    targets = DriftTargetOut(many=True)


def drift_json(page: DriftPage) -> dict[str, Any]:
    """The shape of :class:`DriftOut`."""
    found = page.drift
    return {
        "state": found.state,
        "was": found.was or None,
        "fields_open": found.fields,
        "resources_open": found.resources,
        "accepted": found.accepted,
        "checked_at": time(found.checked_at),
        "since": time(found.since),
        "every_seconds": found.every_seconds,
        "asked": found.is_asked,
        "held_by": page.holder.number if page.holder else None,
        "adoption": _adoption(page) if page.adoption else None,
        "targets": [_target(one) for one in page.targets],
    }


def _adoption(page: DriftPage) -> dict[str, Any]:
    row = page.adoption
    assert row is not None  # noqa: S101 - the caller asks for one
    return {
        "asked_by": row.asked_by.username,
        "asked_at": time(row.asked_at),
        "ended_at": time(row.ended_at),
        "change": row.change.number if row.change else None,
        "problem": row.problem or None,
        "gone_since": time(page.gone.since) if page.gone else None,
    }


def _target(target: TargetRows) -> dict[str, Any]:
    check: DriftCheck = target.check
    return {
        "target": check.target,
        "way": check.way,
        "state": check.state,
        "why": check.why or None,
        "deployment": check.deployment.number,
        "commit": check.commit,
        "checked_at": time(check.checked_at),
        "looked_at": check.looked_at,
        "not_looked": check.not_looked,
        "findings": [finding_json(resource.name, row) for resource in target.resources for row in resource.rows],
        "more": check.more,
    }


def finding_json(resource: str, row: FindingRow) -> dict[str, Any]:
    """The shape of :class:`DriftFindingOut`."""
    return {
        "resource": resource,
        "kind": row.kind,
        "path": row.path,
        "wanted": row.wanted,
        "found": row.found,
        "mark": row.mark,
        "can_be_accepted": not row.is_vague,
        "accepted": acceptance_json(row.accepted) if row.accepted else None,
    }


def acceptance_json(row: DriftAcceptance) -> dict[str, Any]:
    """The shape of :class:`AcceptanceOut`."""
    return {
        "mark": row.mark,
        "resource": row.resource,
        "path": row.path,
        "reason": row.reason,
        "accepted_by": row.accepted_by.username,
        "accepted_at": time(row.accepted_at),
        "until": time(row.until),
    }
