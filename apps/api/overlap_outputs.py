"""Shape and answer of other changes that touch the same."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.fields import string, texts, whole
from apps.api.outputs import Out
from apps.changes.overlaps import Overlapping

ORDERS = ("waiting", "unknown", "conflict", "matters", "free")


def _maybe(about: str) -> serializers.BooleanField:
    return serializers.BooleanField(allow_null=True, help_text=about)


class OverlapOut(Out):
    change = whole()
    things = texts("What both touch, the first of it.")
    count = whole(help_text="How much both touch.")
    order = serializers.ChoiceField(choices=ORDERS, help_text="free: both orders end in the same state.")
    stays = _maybe("Whether approvals of this change carry over when the other is merged first; null is not known.")
    other_stays = _maybe("The other way round.")
    words = string()


class OverlapsOut(Out):
    results = OverlapOut(many=True)


def overlap_json(found: Overlapping) -> dict[str, Any]:
    return {
        "change": found.other.number,
        "things": list(found.things),
        "count": found.count,
        "order": found.order,
        "stays": found.stays,
        "other_stays": found.theirs_stay,
        "words": found.words,
    }
