"""Shape and answer of what is known of undoing a change."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.fields import string, texts, whole
from apps.api.outputs import Out
from apps.changes.inverse_words import NOT_YET, GoingBack
from apps.changes.models import Inverse

STATES = (NOT_YET, *Inverse.State.values)


class PartOut(Out):
    target = string()
    resource = string()
    text = string()


class UntoldOut(Out):
    target = string()
    why = string()


class InverseOut(Out):
    state = serializers.ChoiceField(choices=STATES)
    words = string()
    digest = string(help_text="Names everything here: what `rollback` of a review pre-authorises. Empty: not computed.")
    files = whole(help_text="Files that change back.")
    irreversible = PartOut(many=True, help_text="What does not come back.")
    unknown = texts("Targets of which it is not known what comes back.")
    not_told = UntoldOut(many=True, help_text="Targets whose inverse effect is not known.")


def inverse_json(found: GoingBack | None) -> dict[str, Any]:
    if found is None:
        text = "There is no merge result, so there is nothing to undo."
        found = GoingBack(NOT_YET, text)
    return {
        "state": found.state,
        "words": found.text,
        "digest": found.digest,
        "files": found.files,
        "irreversible": [{"target": one, "resource": two, "text": three} for one, two, three in found.parts],
        "unknown": list(found.unknown),
        "not_told": [{"target": target, "why": why} for target, why in found.untold],
    }
