"""What the rendered effect means for the gate: it must be known, and rules may ask for who knows about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from apps.policies.config import ResourceClause
from apps.policies.evaluation.demands import Judged
from apps.policies.evaluation.facts import BROKEN, RENDERED, WAITS, CannotEvaluate, RenderingFact
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, MET, WAITING, Requirement

NAME, CHECKS = "Effect is known", "Checks of the effect pass"
_SHOWN = 5


def effect_gates(ledger: Ledger) -> list[Judged]:
    """Every target that the change reaches was rendered, and checks that are required pass; nothing where there is none."""
    found = ledger.facts.renderings
    if not found:
        return []
    return [*_known(found), *_checked(found)]


def _checked(found: Sequence[RenderingFact]) -> list[Judged]:
    """Only where portal.yaml requires checks, and they do not pass; what is not known yet is told by the other gate."""
    unmet = [one for one in found if one.unmet]
    if not unmet:
        return []
    text = f"The checks that portal.yaml requires of {_targets(unmet)} do not pass. They hold the change until they do."
    evidence = tuple(f"{one.label}: {one.unmet}" for one in unmet[:_SHOWN])
    more = (f"and {len(unmet) - _SHOWN} more",) if len(unmet) > _SHOWN else ()
    return [Judged(Requirement("effect_checks", CHECKS, FAILED, text, (*evidence, *more)))]


def _known(found: Sequence[RenderingFact]) -> list[Judged]:
    odd = [one.state for one in found if one.state not in (RENDERED, WAITS, BROKEN)]
    if odd:
        raise CannotEvaluate(f"`{odd[0]}` is no known state of a rendering")
    failed = [one for one in found if one.state == BROKEN and not one.optional]
    waiting = [one for one in found if one.state == WAITS]
    if failed:
        text = f"The effect on {_targets(failed)} could not be evaluated. It holds the change until it can be."
        return [Judged(Requirement("effect", NAME, FAILED, text, _evidence(failed)))]
    if waiting:
        text = f"The effect on {_targets(waiting)} is being rendered."
        return [Judged(Requirement("effect", NAME, WAITING, text, _evidence(waiting)))]
    skipped = [one for one in found if one.state == BROKEN]
    known = len(found) - len(skipped)
    text = f"The effect on {known} {'target is' if known == 1 else 'targets are'} known."
    if skipped:
        text += f" {_targets(skipped)} could not be evaluated, which portal.yaml allows."
    return [Judged(Requirement("effect", NAME, MET, text, _evidence(skipped)))]


def not_touched(clause: ResourceClause, ledger: Ledger, reached: Collection[str]) -> str:
    """Why a rule about resources is not needed here; ``""`` when one resource of a reached environment is meant.

    Raises :class:`CannotEvaluate` while that cannot be told: an effect that is not known may be the one that is meant.
    """
    renderings = ledger.facts.renderings
    if renderings is None:
        raise CannotEvaluate("no environment names targets, so nothing says which resources change")
    if ledger.touched.has_resource(clause, reached):
        return ""
    unknown = [one for one in renderings if one.environment in reached and one.state != RENDERED]
    if unknown:
        raise CannotEvaluate(f"the effect on {_targets(unknown)} is not known")
    return f"Only for {words(clause)}, of which nothing changes."


def words(clause: ResourceClause) -> str:
    """``delete or replace of PersistentVolumeClaim``, for people."""
    what = " or ".join(clause.kinds) or "resources"
    parts = [f"{' or '.join(clause.actions)} of {what}" if clause.actions else what]
    if clause.names:
        parts.append(f"named {' or '.join(clause.names)}")
    if clause.risks:
        parts.append(f"with the risk {' or '.join(clause.risks)}")
    return " ".join(parts)


def _targets(found: Sequence[RenderingFact]) -> str:
    return found[0].label if len(found) == 1 else f"{len(found)} targets"


def _evidence(found: Sequence[RenderingFact]) -> tuple[str, ...]:
    lines = tuple(f"{one.label}: {one.text}" if one.text else one.label for one in found[:_SHOWN])
    return lines if len(found) <= _SHOWN else (*lines, f"and {len(found) - _SHOWN} more")
