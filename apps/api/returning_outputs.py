"""Shape and answer of what bringing an earlier deployment back would do."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.fields import Text, string, texts, whole
from apps.api.inverse_outputs import PartOut
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.presentation.return_page import ReturnPage


class RollBackIn(Shape):
    emergency = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=500,
        help_text="What happened: declares an emergency of it at once.",
    )
    incident = Text(required=False, allow_blank=True, default="", max_length=500)


class BringBackIn(RollBackIn):
    tip = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=64,
        help_text="The `tip` that you looked at; another one is a 409.",
    )


class TakenBackOut(Out):
    change = whole()
    title = string()


class GateAheadOut(Out):
    restores = serializers.BooleanField(
        help_text="The branch becomes what it was before; `approvals` of others are needed."
    )
    approvals = whole()
    rules = texts("Names of the ordinary rules, which hold where it does not.")


class ReturnOut(Out):
    deployment = whole()
    environment = string()
    possible = serializers.BooleanField()
    why_not = string(allow_blank=True)
    tip = string(allow_blank=True, help_text="The commit of the branch on which the change is made.")
    commit = string(help_text="The commit whose state comes back.")
    takes_back = TakenBackOut(
        many=True, help_text="Changes that were merged since and touched this environment, the newest first."
    )
    more = whole(help_text="How many more there are.")
    paths = texts("What changes back.")
    shared = texts("Other environments that are made of some of these paths.")
    new_targets = texts("Targets that came since and stay as they are.")
    new_targets_touched = texts("Those of them that name some of `paths`, too.")
    left = texts("Paths that came since and stay, because no target names them and a new one may be made of them.")
    irreversible = PartOut(many=True)
    unknown = texts("Targets of which it is not known what comes back.")
    known = texts("Targets of which it is. Where both are empty nothing is known beyond the files.")
    gate = GateAheadOut(allow_null=True)


def return_json(page: ReturnPage) -> dict[str, Any]:
    row, found, gate = page.deployment, page.found, page.gate
    in_the_way = f"Files and folders stand in each other's way: {', '.join(found.conflicts[:20])}." if found else ""
    return {
        "deployment": row.number,
        "environment": row.environment.name,
        "possible": page.is_possible,
        "why_not": "" if page.is_possible else page.why_not or in_the_way,
        "tip": found.tip if found else "",
        "commit": row.commit,
        "takes_back": [{"change": one.number, "title": one.title} for one in (found.changes if found else ())],
        "more": found.more if found else 0,
        "paths": list(found.paths) if found else [],
        "shared": list(found.shared) if found else [],
        "new_targets": list(found.added) if found else [],
        "new_targets_touched": list(found.touched) if found else [],
        "left": list(found.left) if found else [],
        "irreversible": [
            {"target": part.target, "resource": part.resource, "text": part.text}
            for part in (found.read_back.parts if found else ())
        ],
        "unknown": list(found.read_back.unknown) if found else [],
        "known": list(found.read_back.known) if found else [],
        "gate": {"restores": gate.restores, "approvals": gate.approvals, "rules": list(gate.rules)} if gate else None,
    }
