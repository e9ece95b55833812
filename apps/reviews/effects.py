"""What the rendered effect of a change means for its gates: facts for the verdict, and what an approval is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.changes.effects.reading import Effects, State, both_effects, checked_of, digest_of, effects_of
from apps.changes.effects.targets import names_targets
from apps.changes.models import Rendering, Revision
from apps.core.errors import Conflict
from apps.policies.evaluation import BROKEN, RENDERED, WAITS, RenderingFact, ResourceFact, Standing
from apps.policies.queries import Policy
from apps.rendering.checks import ERROR
from apps.rendering.planners import PLANNERS

PLANS = frozenset(kind.value for kind in PLANNERS)
NONE = Effects(is_planned=True)


def known_effects(policy: Policy, revision: Revision | None) -> Effects | None:
    """The renderings of a revision; ``None`` where the policy names no targets, and nothing is asked of the database."""
    if not names_targets(policy.config):
        return None
    return effects_of(revision) if revision is not None else NONE


def rendering_facts(effects: Effects | None) -> tuple[RenderingFact, ...] | None:
    """The facts of the verdict (see :class:`~apps.policies.evaluation.Facts`)."""
    if effects is None:
        return None
    if not effects.is_planned:
        return (RenderingFact("every environment", "all targets", WAITS, "which ones it reaches is being found out"),)
    if effects.problem:
        return (RenderingFact("every environment", "all targets", BROKEN, effects.problem),)
    return tuple(_fact(row) for row in effects.rows)


def _fact(row: Rendering) -> RenderingFact:
    state, text = _state(row)
    found = row.facts.get("resources", ())
    fields = row.facts.get("fields") or [None] * len(found)
    resources = tuple(
        ResourceFact(kind, action, name, namespace, tuple(risks), None if names is None else tuple(names))
        for (kind, action, namespace, name, risks), names in zip(found, fields, strict=True)
    )
    return RenderingFact(row.environment, row.target, state, text, row.optional, resources, _unmet(row))


def _unmet(row: Rendering) -> str:
    """Why the checks of a rendered target do not pass, where its policy requires them. What was not checked does not pass."""
    if row.state != State.RENDERED or row.options.get("checks") != "required":
        return ""
    checked = checked_of(row)
    if checked is None or checked.not_checked:
        return f"not checked: {checked.not_checked if checked else 'it was rendered before there were checks'}"
    found = checked.errors
    if not found:
        return ""
    first = next(one for one in checked.findings if one.level == ERROR)
    more = f" and {found - 1 + checked.more} more" if found + checked.more > 1 else ""
    return f"{first.resource} {first.field}: {first.text}{more}".strip()


def _state(row: Rendering) -> tuple[str, str]:
    if row.state == State.QUEUED:
        return WAITS, row.waits_for
    if row.state != State.RENDERED:
        return BROKEN, f"{row.message} ({row.message_place})" if row.message_path else row.message
    failed = [f"{name}: {failure}" for name, failure in row.facts.get("parts", ()) if failure]
    if failed:
        return BROKEN, "; ".join(failed[:3])
    unstable = row.facts.get("unstable", ())
    if unstable:
        more = f" and {len(unstable) - 3} more" if len(unstable) > 3 else ""
        return BROKEN, f"rendered twice with different results: {', '.join(unstable[:3])}{more}"
    return RENDERED, ""


def lost_to_effect(approved: Mapping[str, str], effects: Effects | None) -> str:
    """Why an approval of the same source does not count: a target's effect is another one. Empty: it is the same."""
    if effects is None:
        return ""
    now = effects.digests
    changed = [label for label, digest in now.items() if approved.get(label) != digest]
    if not changed:
        return ""
    kinds = {row.label: row.kind for row in effects.binding}
    return Standing.PLAN_CHANGED if kinds[changed[0]] in PLANS else Standing.RENDERED_CHANGED


def require_known(effects: Effects | None, label: str) -> dict[str, str]:
    """What an approval given now is bound to: target → digest. A conflict while that is not known yet."""
    if effects is None:
        return {}
    waiting = [row.label for row in effects.binding if row.state == State.QUEUED]
    if not effects.is_planned or waiting:
        what = ", ".join(waiting[:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")
        raise Conflict(
            "effect_not_known",
            f"The effect of {label} {f'on {what} ' if what else ''}is still being rendered, and it is part of what you "
            "approve. Submit your review again when it is there; your text is kept.",
            waiting=waiting,
        )
    return effects.digests


def risk_of(effects: Effects | None) -> str:
    """The gravest risk that the rendered effect brings: ``high``, ``medium``, or empty."""
    weights = {weight for row in effects.rows for _, weight, *_ in row.facts.get("risks", ())} if effects else set()
    return next((weight for weight in ("high", "medium") if weight in weights), "")


@dataclass(frozen=True, slots=True)
class EffectsCompared:
    """Targets of two revisions by what is known: the ``same`` effect, or an ``other`` one (also where only one reaches it)."""

    same: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


def effects_compared(earlier: Revision, later: Revision) -> EffectsCompared:
    """What the renderings of two revisions say; nothing while one of them is not there."""
    sides = both_effects(earlier, later)
    if sides is None or any(row.state == State.QUEUED for side in sides for row in side.rows):
        return EffectsCompared()
    before, after = ({row.label: digest_of(row) for row in side.rows} for side in sides)
    labels = dict.fromkeys((*after, *before))
    return EffectsCompared(
        same=tuple(label for label in labels if before.get(label) == after.get(label)),
        other=tuple(label for label in labels if before.get(label) != after.get(label)),
    )
