"""Shapes and answers of renderings."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.api.answers import time
from apps.api.fields import Flag, Number, Text, maybe_moment, maybe_text, string, texts, whole, word
from apps.api.outputs import Out
from apps.api.shapes import Shape
from apps.changes.effects.reading import checked_of
from apps.changes.models import Rendering
from apps.policies.config.environments import LONGEST_NAME
from apps.rendering.comparing import RULES, words
from apps.rendering.comparing.codec import encode_value
from apps.rendering.model import Action, Difference, Kind, ResourceChange
from apps.reviews.resources import change_key


class TargetIn(Shape):
    environment = Text(max_length=LONGEST_NAME)
    target = Text(max_length=100)


class PlanIn(TargetIn):
    revision = Number(min_value=1)
    plan = serializers.JSONField(help_text="What `terraform show -json` prints of the saved plan.")


class SeenIn(Shape):
    resource = Text(max_length=64, help_text="The key of what happens to a resource.")
    seen = Flag(required=False, default=True)


class SeenOut(Out):
    resource = string()
    seen = serializers.BooleanField()


class RiskOut(Out):
    code = string()
    weight = string()
    text = string()


class RenderingOut(Out):
    """The effect of the present revision on one target."""

    environment = string()
    target = string()
    kind = word(Kind)
    state = word(Rendering.State.values)
    planned_by = word(Rendering.Planner.values)
    revision = whole()
    attempt = whole()
    optional = serializers.BooleanField()
    failure = maybe_text("Why it could not be evaluated: a code.")
    message = maybe_text("The same in words, mostly those of the tool.")
    path = maybe_text("The file that the tool names.")
    line = serializers.IntegerField(allow_null=True)
    digest = maybe_text("Names the difference and what rendered it; an approval is bound to it.")
    handed_in_by = maybe_text("Whose word the plan is; null: the portal or the environment's runner found it out.")
    saved_plan = maybe_text("The SHA-256 of the plan file of the environment's runner.")
    tool = maybe_text()
    counts = serializers.DictField(child=whole(), help_text="Resources by what happens to them.")
    unchanged = whole()
    unstable = texts("Values that differ from one run to the next.")
    warnings = texts()
    started_at = maybe_moment()
    finished_at = maybe_moment()


class FieldOut(Out):
    path = string()
    before = serializers.JSONField(help_text='{"$": "absent"} where there is nothing.')
    after = serializers.JSONField()
    rule = maybe_text("Why the difference has no effect; null: it counts.")


class ResourceOut(Out):
    key = string(help_text="Names what happens to the resource, for marks.")
    action = word([action.value for action in Action])
    kind = string()
    api = string(allow_blank=True)
    namespace = string(allow_blank=True)
    name = string()
    made_by = maybe_text("The file from which it came.")
    changed = FieldOut(many=True)
    risks = RiskOut(many=True)


class FindingOut(Out):
    """Something that a check has to say about the result; no value is quoted."""

    check = string(help_text="The rule.")
    level = word(["error", "warning"])
    text = string()
    resource = string(allow_blank=True)
    field = string(allow_blank=True, help_text="The place in the resource.")
    path = string(allow_blank=True)
    line = whole()
    is_new = serializers.BooleanField(help_text="It was not there before the change.")


class ChecksOut(Out):
    tool = maybe_text("What checked, with its version.")
    against = maybe_text("The version of Kubernetes whose schemas were used.")
    not_checked = maybe_text("Why nothing was checked: then no findings mean nothing.")
    findings = FindingOut(many=True)
    more = serializers.IntegerField(help_text="Findings that are not listed.")
    unknown = texts("Kinds that no schema knows; they were not checked.")
    holds_merge = serializers.BooleanField(help_text="portal.yaml requires the checks: an error holds the merge.")


class RenderingDetailOut(RenderingOut):
    """With every resource that changes; bodies are redacted."""

    checks = ChecksOut(allow_null=True, help_text="null: there is no check for this kind of target, or no result.")
    resources = ResourceOut(many=True)


def rendering_json(row: Rendering) -> dict[str, Any]:
    facts = row.facts
    return {
        "environment": row.environment,
        "target": row.target,
        "kind": row.kind,
        "state": row.state,
        "planned_by": row.planned_by,
        "revision": row.revision.number,
        "attempt": row.attempt,
        "optional": row.optional,
        "failure": row.failure or None,
        "message": row.message or None,
        "path": row.message_path or None,
        "line": row.message_line or None,
        "digest": row.digest or None,
        "handed_in_by": facts.get("handed_in_by") or None,
        "saved_plan": facts.get("saved_plan") or None,
        "tool": " ".join(facts.get("tool", ())[:2]) or None,
        "counts": facts.get("counts", {}),
        "unchanged": facts.get("unchanged", 0),
        "unstable": [*facts.get("unstable", ()), *facts.get("waived", ())],
        "warnings": facts.get("warnings", []),
        "started_at": time(row.started_at),
        "finished_at": time(row.finished_at),
    }


def detail_json(row: Rendering, difference: Difference | None) -> dict[str, Any]:
    changes = difference.changes if difference else ()
    return {**rendering_json(row), "checks": _checks(row), "resources": [_resource(change) for change in changes]}


def _checks(row: Rendering) -> dict[str, Any] | None:
    checked = checked_of(row)
    if checked is None:
        return None
    found = checked.to_json()
    return {
        **{name: found[name] or None for name in ("tool", "against", "not_checked")},
        "findings": found["findings"],
        "more": checked.more,
        "unknown": list(checked.unknown),
        "holds_merge": row.options.get("checks") == "required",
    }


def _resource(change: ResourceChange) -> dict[str, Any]:
    return {
        "key": change_key(change),
        "action": change.action.value,
        "kind": change.id.kind,
        "api": change.id.api,
        "namespace": change.id.namespace,
        "name": change.id.name,
        "made_by": change.source.place if change.source else None,
        "changed": [
            {
                "path": words(field.path),
                "before": encode_value(field.before),
                "after": encode_value(field.after),
                "rule": RULES.get(field.rule, field.rule) or None,
            }
            for field in change.fields
        ],
        "risks": [{"code": risk.code, "weight": risk.weight.value, "text": risk.text} for risk in change.risks],
    }
