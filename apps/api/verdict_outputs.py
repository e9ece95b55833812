"""Shape and answer of verdicts on record."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.fields import maybe_text, moment, string
from apps.api.outputs import Out
from apps.deployments.queries.verdicts import PastVerdict


class PastVerdictOut(Out):
    what = string(help_text="`merge`, or the key of an attempt of a deployment.")
    environment = maybe_text()
    at = moment()
    verdict = serializers.JSONField(help_text="As it was stored, in the shape of the verdict of a change.")
    replays = serializers.BooleanField(
        help_text="Judging the stored facts by the stored rules again gives exactly this."
    )
    problem = maybe_text()


class PastVerdictsOut(Out):
    results = PastVerdictOut(many=True)


def past_verdict_json(found: PastVerdict) -> dict[str, Any]:
    return {
        "what": found.what,
        "environment": found.environment or None,
        "at": time(found.at),
        "verdict": found.verdict,
        "replays": found.is_equal,
        "problem": found.problem or None,
    }
