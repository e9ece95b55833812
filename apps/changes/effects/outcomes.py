"""What a revision does to one target: both sides compared, with everything that lists, rules and pages need of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from apps.changes.effects.making import Side
from apps.changes.effects.registry import reader_of, renderer_of
from apps.changes.effects.sides import both_sides
from apps.changes.effects.targets import Sides
from apps.changes.effects.tools import toolbox
from apps.rendering.checks import Checked, check_templates
from apps.rendering.comparing import compare, difference_digest, words
from apps.rendering.model import Action, Difference, Kind, Part, RenderError, ResourceChange, ToolIdentity
from apps.rendering.planners import PLANNERS
from apps.rendering.planning import Planned
from apps.rendering.protocol import Target
from apps.rendering.quoted import quotes_of
from apps.rendering.redaction import Fingerprint, redact_text
from apps.rendering.sandbox.isolation import isolation

MOST_FIELDS = 50
"""Names of fields that are kept of one resource, for standard changes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A difference and how it came about. ``unstable``: values that no two runs have in common, and nobody waived."""

    difference: Difference
    tool: ToolIdentity
    warnings: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    unstable: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    milliseconds: int = 0
    was_kept: bool = False
    checked: Checked | None = None
    """Findings about the result; ``None`` for systems that have no check."""
    saved_plan: str = ""
    """SHA-256 of the plan file of the environment's runner: what is applied later must be it."""

    @property
    def digest(self) -> str:
        return difference_digest(self.difference, self.tool)


def outcome_from(planned: Planned, *, saved_plan: str = "") -> Outcome:
    """What a plan says, as everything else is kept."""
    return Outcome(planned.difference, planned.tool, planned.warnings, planned.parts, saved_plan=saved_plan)


def with_checks(outcome: Outcome, target: Target, sides: Sides, hide: Fingerprint) -> Outcome:
    """With what is found in the templates of a stack, whoever has planned it."""
    if target.kind is not Kind.CLOUDFORMATION:
        return outcome
    return replace(outcome, checked=check_templates(sides.before, sides.after, target, toolbox(), hide))


def outcome_of(target: Target, sides: Sides, hide: Fingerprint) -> Outcome:
    """Render and compare. Raises :class:`~apps.rendering.model.RenderError`, whose message quotes no secret."""
    try:
        if target.kind in PLANNERS:
            planned = PLANNERS[target.kind].plan(sides.before, sides.after, target, toolbox(), hide)
            return with_checks(outcome_from(planned), target, sides, hide)
        return _compared(target, sides, hide)
    except RenderError as error:
        message = unquoted(error.message, target, sides, hide)
        raise RenderError(error.failure, message, path=error.path, line=error.line) from None


def unquoted(message: str, target: Target, sides: Sides, hide: Fingerprint) -> str:
    """What a tool said when it failed, without the secrets of either side."""
    inputs: set[str] = set()
    for tree in (sides.before, sides.after):
        try:
            inputs.update(reader_of(target.kind).inputs(tree, target))
        except RenderError:
            inputs.add("./")  # what it reads is not known, so it may quote any file
    return redact_text(quotes_of((sides.before, sides.after), inputs, hide).without(message), hide)


def _compared(target: Target, sides: Sides, hide: Fingerprint) -> Outcome:
    renderer = renderer_of(target.kind)
    before, after = both_sides(renderer, sides, target, hide)
    with_generators = target.kind in {Kind.KUSTOMIZE, Kind.FLUX}
    difference = compare(before.rendered.resources, after.rendered.resources, with_generators=with_generators)
    unstable = tuple(dict.fromkeys((*before.unstable, *after.unstable)))
    allowed = target.options.get("unstable", ())
    waived = tuple(words for words in unstable if any(fnmatchcase(words, pattern) for pattern in allowed))
    return Outcome(
        difference=difference,
        tool=after.rendered.tool,
        warnings=after.rendered.warnings,
        parts=_parts(before, after),
        unstable=tuple(words for words in unstable if words not in waived),
        waived=waived,
        milliseconds=before.milliseconds + after.milliseconds,
        was_kept=before.was_kept and after.was_kept,
        checked=after.checked.compared(before.checked),
    )


def _parts(before: Side, after: Side) -> tuple[Part, ...]:
    """Those of the result; one that could be rendered only there says so, for its difference is not the whole truth."""
    earlier = {part.name: part for part in before.rendered.parts}
    found = []
    for part in after.rendered.parts:
        old = earlier.get(part.name)
        failed = part.failure or (f"Before this change: {old.failure}" if old and old.failure else "")
        found.append(Part(part.name, failed))
    return tuple(found)


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """The part of an outcome that is read without its document: JSON-ready.

    ``resources``: one ``[kind, action, namespace, name, [risk codes]]`` for each that changes; ``fields``: for each of these
    what of it changes, ``null`` where that is too much to list; ``risks``: ``[code, weight, text, resource]``.
    """
    changes = outcome.difference.changes
    return {
        "counts": outcome.difference.counts,
        "unchanged": outcome.difference.unchanged,
        "silent": len(outcome.difference.silent),
        "resources": [
            [one.id.kind, one.action.value, one.id.namespace, one.id.name, [risk.code for risk in one.risks]]
            for one in changes
        ],
        "fields": [_field_names(one) for one in changes],
        "risks": [
            [risk.code, risk.weight.value, risk.text, str(one.id)]
            for one in (*changes, *outcome.difference.silent)
            for risk in one.risks
        ],
        "tool": [outcome.tool.name, outcome.tool.version, outcome.tool.sha256],
        "warnings": list(outcome.warnings),
        "parts": [[part.name, part.failure] for part in outcome.parts],
        "unstable": list(outcome.unstable),
        "waived": list(outcome.waived),
        "milliseconds": outcome.milliseconds,
        "kept": outcome.was_kept,
        "isolation": _isolation(),
        "checks": outcome.checked.to_json() if outcome.checked is not None else None,
        "saved_plan": outcome.saved_plan,
    }


def _field_names(change: ResourceChange) -> list[str] | None:
    """The paths of the fields that differ and count; ``None`` for a resource that is not updated, or in too many places."""
    names = list(dict.fromkeys(words(field.path) for field in change.fields if not field.rule))
    return names if change.action is Action.UPDATE and len(names) <= MOST_FIELDS else None


def _isolation() -> list[str]:
    found = isolation(toolbox())
    return [found.level.value, found.words]
