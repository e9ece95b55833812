"""Comparing what a system says it will do now with the plan that was approved: bytes in, a verdict out.

Everything is made as the plan of the environment's runner is made (``runner``, ``stacks``), so that equal plans are equal here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from apps.core.errors import Conflict
from apps.deployments.dispatchers import Judged
from apps.deployments.masking import SHORTEST, SecretMask
from apps.deployments.planning.approved import ApprovedPlan, judged
from apps.rendering.cloudformation.changesets import change_set_difference
from apps.rendering.comparing.risks.reading import mapping_at, mappings_at
from apps.rendering.model import Difference, Json, RenderError, ToolIdentity
from apps.rendering.redaction import Fingerprint, redact_value
from apps.rendering.terraform.documents import load
from apps.rendering.terraform.hiding import secrets_in
from apps.rendering.terraform.plan_json import planned

_DOES_NOTHING = (["no-op"], ["read"])


def terraform_judge(
    approved: ApprovedPlan, hide: Fingerprint, mask: SecretMask, tool: ToolIdentity | None
) -> Callable[[bytes], Judged]:
    """``mask``: of the secrets for plans, which are not in an approved plan. ``tool``: what plans here (``None``: as the plan says)."""

    def judge(data: bytes) -> Judged:
        try:
            raw = load(data)
            if beyond := _beyond(raw):
                return Judged(f"The plan {beyond}, which nobody can approve here. Nothing was applied.")
            found = planned(load(mask.apply(data)), hide)
            verdict = judged(approved, found.difference, tool or found.tool, is_empty=_is_empty(raw))
        except RenderError as error:
            raise Conflict("no_plan", f"The plan cannot be compared: {error.message} Nothing was applied.") from None
        return Judged(verdict.problem, verdict.is_empty, verdict.lines, tuple(set(_hidden(raw, hide))))

    return judge


def stack_judge(
    approved: ApprovedPlan, hide: Fingerprint, mask: SecretMask, stack: str
) -> Callable[[list[Mapping[str, Json]] | None], Judged]:
    """Of the ``Changes`` of a change set, all pages joined; ``None`` where the account says that nothing would happen."""

    def judge(changes: list[Mapping[str, Json]] | None) -> Judged:
        from apps.deployments.planning.stacks import TOOL  # it brings boto3, which is slow to start

        clean = json.loads(mask.apply(json.dumps(changes or [], ensure_ascii=False, default=str).encode()))
        try:
            difference = change_set_difference(clean, stack, hide) if clean else Difference(())
        except RenderError as error:
            raise Conflict("no_plan", f"The change set cannot be compared: {error.message}") from None
        return judged(approved, difference, TOOL, is_empty=changes is None)

    return judge


def long_enough(texts: Iterable[str]) -> Iterator[str]:
    """Those that can be masked."""
    return (text for text in texts if len(text.encode("utf-8", "surrogatepass")) >= SHORTEST)


def _beyond(plan: Mapping[str, Json]) -> str:
    """What a plan would do, or leave for later, beside the changes that are compared; empty where there is no such thing."""
    if plan.get("action_invocations") or plan.get("deferred_action_invocations"):
        return "would run actions of providers"
    if plan.get("deferred_changes"):
        return "puts off changes until more is known"
    return "" if plan.get("complete", True) is True else "does not say all that would happen"


def _is_empty(plan: Mapping[str, Json]) -> bool:
    """By Terraform's own word, or, where it says none (before 1.8), because neither a resource nor an output changes."""
    if isinstance(plan.get("applyable"), bool):
        return plan["applyable"] is False
    changes = [mapping_at(entry, "change") for entry in mappings_at(plan, "resource_changes")]
    changes += [change for change in mapping_at(plan, "output_changes").values() if isinstance(change, Mapping)]
    return all(change.get("actions") in _DOES_NOTHING for change in changes)


def _hidden(plan: Mapping[str, Json], hide: Fingerprint) -> Iterator[str]:
    """Texts of the plan that Terraform, a name, or its looks call secret."""
    yield from secrets_in(plan)
    left: list[tuple[Any, Any]] = [(plan, redact_value(plan, hide))]
    while left:
        value, shown = left.pop()
        if isinstance(value, Mapping) and isinstance(shown, Mapping):
            left += zip(value.values(), shown.values(), strict=True)  # names can be fingerprints; their order stays
        elif isinstance(value, list) and isinstance(shown, list):
            left += zip(value, shown, strict=True)
        elif value != shown:
            yield str(value)
