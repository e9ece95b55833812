"""Shapes and answers of what rolling a change back, and bringing an earlier deployment back, would do."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.fields import Text, maybe_number, string, texts, whole
from apps.api.inverse_outputs import PartOut
from apps.api.outputs import Out
from apps.api.outside_outputs import OutsideChangeOut, outside_change_json
from apps.api.shapes import Shape
from apps.changes.effects.irreversible import ReadBack
from apps.core.text import first_few
from apps.presentation.gate_ahead import GateAhead
from apps.presentation.return_page import ReturnPage
from apps.presentation.rollback_page import RollbackPage


class BringBackIn(Shape):
    emergency = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=500,
        help_text="What happened: declares an emergency of it at once.",
    )
    incident = Text(required=False, allow_blank=True, default="", max_length=500)
    tip = Text(
        required=False,
        allow_blank=True,
        default="",
        max_length=64,
        help_text="The `tip` that you looked at; another one is a 409.",
    )


class RollBackIn(BringBackIn):
    environments = serializers.ListField(
        child=Text(max_length=80),
        required=False,
        default=list,
        max_length=100,
        help_text="The `environments` that you looked at; others are a 409.",
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


class BroughtOut(Out):
    environment = string()
    changes = serializers.ListField(child=serializers.IntegerField())
    held = texts("What it would wait for there before it starts, because of gates of what it brings.")


class RollbackAheadOut(Out):
    deployment = whole()
    change = whole(help_text="What is taken out.")
    possible = serializers.BooleanField()
    why_not = string(allow_blank=True)
    tip = string(help_text="The commit of the branch on which the inverse is made.")
    before = string(help_text="Where the branch was when the change landed.")
    later = whole(
        help_text="Commits that came after it and stay; with none the branch becomes what it was at `before`."
    )
    environments = texts("Where it goes back, in promotion order.")
    also_brought = serializers.ListField(
        child=serializers.IntegerField(),
        help_text="Changes that the deployment brought to its environment beside this one, and that would stay there.",
    )
    brings = BroughtOut(many=True, help_text="What it brings to environments that do not run it yet.")
    was_live = maybe_number("The deployment that was live before it: bring that back instead, where others would stay.")
    files = whole(help_text="Files that change back.")
    conflicts = texts("Paths at which later changes stand in the way.")
    irreversible = PartOut(many=True)
    unknown = texts("Targets of which it is not known what comes back.")
    known = texts("Targets of which it is. Where both are empty nothing is known beyond the files.")
    gate = GateAheadOut(allow_null=True)


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
    outside = OutsideChangeOut(many=True, help_text="Pushed past the portal, open, and taken back with them.")
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
    row, found = page.deployment, page.found
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
        "outside": [outside_change_json(one) for one in (found.outside if found else ())],
        "paths": list(found.paths) if found else [],
        "shared": list(found.shared) if found else [],
        "new_targets": list(found.added) if found else [],
        "new_targets_touched": list(found.touched) if found else [],
        "left": list(found.left) if found else [],
        **_read_back_json(found.read_back if found else ReadBack((), (), ())),
        "gate": _gate_json(page.gate),
    }


def rollback_json(page: RollbackPage) -> dict[str, Any]:
    found, conflicts = page.found, page.found.taken.conflicts
    in_the_way = f"Later changes touched the same places in {first_few(conflicts)}." if conflicts else ""
    return {
        "deployment": page.deployment.number,
        "change": found.change.number,
        "possible": page.is_possible,
        "why_not": found.why_not or in_the_way,
        "tip": found.tip,
        "before": found.before,
        "later": page.later,
        "environments": [row.name for row in page.environments],
        "also_brought": [one.number for one in (page.batch.others if page.batch else ())],
        "brings": [
            {
                "environment": one.environment.name,
                "changes": [row.number for row in one.changes],
                "held": list(one.held),
            }
            for one in page.along
        ],
        "was_live": page.batch.earlier.number if page.batch else None,
        "files": page.files.total,
        "conflicts": list(conflicts),
        **_read_back_json(page.read_back),
        "gate": _gate_json(page.gate),
    }


def _read_back_json(found: ReadBack) -> dict[str, Any]:
    return {
        "irreversible": [{"target": part.target, "resource": part.resource, "text": part.text} for part in found.parts],
        "unknown": list(found.unknown),
        "known": list(found.known),
    }


def _gate_json(gate: GateAhead | None) -> dict[str, Any] | None:
    if gate is None:
        return None
    return {"restores": gate.restores, "approvals": gate.approvals, "rules": list(gate.rules)}
