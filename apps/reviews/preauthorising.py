"""Roll-backs that were approved together with the change: what of that counts when one is judged (DESIGN §5: judged at use).

Such an approval counts for a roll-back only where it still counts for the change itself, and where the roll-back is exactly the
inverse that its giver was shown: the same tree difference, or what comes of it on the present target branch by the rule of
carry-over, with the same effect on every target, and without anything irreversible that was not named then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta

from apps.changes.effects.irreversible import ReadBack, irreversible_parts
from apps.changes.effects.reading import Effects
from apps.changes.inverse_words import GoingBack
from apps.changes.models import ChangeRequest, Revision
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, PortalError
from apps.policies import evaluation
from apps.policies.evaluation import Facts, Standing
from apps.policies.queries import Policy
from apps.reviews.carry_over import trees_carry_over
from apps.reviews.effects import lost_to_effect
from apps.reviews.models import Review

FactsOf = Callable[[ChangeRequest, str, str], Facts]
"""The facts of one gate (stage, environment) of the change that is rolled back."""


def require_preauthorisable(policy: Policy, change: ChangeRequest, found: GoingBack | None, digest: str) -> None:
    """Refuse an approval "and its roll-back" unless the policy knows that, and the inverse named by ``digest`` is the present one."""
    if not policy.config.rollback.preauthorised_seconds:
        text = (
            f"The policy of {change.target_branch} lets no roll-back be approved beforehand (`rollback.preauthorised`). "
            "Approve without it."
        )
        raise InvalidInput("rollback_not_preauthorised", text, field="rollback")
    if found is None or not found.is_possible:
        said = found.text if found is not None else "There is no merge result."
        raise Conflict("inverse_not_possible", f"The roll-back cannot be approved beforehand. {said}")
    if found.digest != digest:
        text = "The roll-back is not the one that you were shown any more. Look at it again; your text is kept."
        raise Conflict("inverse_moved", text, inverse=found.digest)


def preauthorisations(change: ChangeRequest, policy: Policy) -> list[Review]:
    """Approvals of the change that ``change`` rolls back which were given for that, too; none where the policy allows none."""
    undone = change.rolls_back_id
    if change.kind != ChangeRequest.Kind.ROLLBACK or undone is None or not policy.config.rollback.preauthorised_seconds:
        return []
    rows = Review.objects.filter(change=undone, with_rollback=True, verdict=Review.Verdict.APPROVE)
    return list(rows.select_related("reviewer", "revision", "change").order_by("pk"))


def preauthorised_reviews(
    rows: list[Review], change: ChangeRequest, policy: Policy, effects: Effects | None, facts_of: FactsOf
) -> tuple[evaluation.Review, ...]:
    """``rows`` as reviews of the roll-back ``change``, each with the reason why it does not count."""
    undone = change.rolls_back
    if not rows or undone is None:
        return ()
    over = _is_over(undone, policy)
    read_back = irreversible_parts(undone)
    counting: dict[tuple[str, str], frozenset[int]] = {}
    found = []
    for row in rows:
        gate = (str(row.stage), row.environment)
        if gate not in counting:
            counting[gate] = _counting(facts_of(undone, *gate), policy)
        why_not = Standing.EXPIRED.value if over else _why_not(row, change, effects, read_back, counting[gate])
        found.append(_fact(row, undone, why_not))
    return tuple(found)


def _is_over(undone: ChangeRequest, policy: Policy) -> bool:
    """Whether the time is over in which a roll-back may go by what was said before it; a merge without a moment is no young one."""
    lasts = timedelta(seconds=policy.config.rollback.preauthorised_seconds)
    return undone.merged_at is None or now() - undone.merged_at >= lasts


def _counting(facts: Facts, policy: Policy) -> frozenset[int]:
    """Keys of the approvals that count for the change itself now, and that no rule of that gate calls too old."""
    rules = [rule.needs for rule in policy.config.rules if rule.stage == facts.stage]
    young = {
        review.id for review in facts.reviews if not any(evaluation.is_expired(review, needs, facts) for needs in rules)
    }
    return frozenset(found.review for found in evaluation.Ledger(facts).standings if found.counts) & young


def _why_not(
    row: Review, change: ChangeRequest, effects: Effects | None, read_back: ReadBack, counting: frozenset[int]
) -> str:
    """The :class:`Standing` code; empty: it counts."""
    if row.withdrawn_at is not None:
        return Standing.WITHDRAWN
    if row.pk not in counting:
        return Standing.APPROVAL_LOST
    if not _is_named(row, read_back):
        return Standing.NOT_NAMED
    return "" if _is_exact(row, change.revision, effects) else Standing.INVERSE_DIFFERS


def _is_named(row: Review, read_back: ReadBack) -> bool:
    """Whether everything that does not come back was named; where that is not known, nothing was."""
    named = {tuple(part) for part in row.inverse.get("parts", ())}
    return not read_back.unknown and all((part.target, part.resource) in named for part in read_back.parts)


def _is_exact(row: Review, revision: Revision | None, effects: Effects | None) -> bool:
    """Whether the roll-back in ``revision`` is the inverse that was shown."""
    shown = row.inverse
    if revision is None or not revision.result_tree or revision.target_branch != row.revision.target_branch:
        return False
    if not _is_same_source(row, revision):
        return False
    if effects is not None and (not effects.is_planned or effects.problem):
        return False
    return not lost_to_effect(shown.get("effects", {}), effects)


def _is_same_source(row: Review, revision: Revision) -> bool:
    shown = row.inverse
    if not (shown.get("subject") and shown.get("from") and shown.get("to")):
        return False
    if shown["subject"] == revision.subject:
        return True
    git_dir = row.change.repository.mirror_path
    try:
        return trees_carry_over(git_dir, shown["from"], shown["to"], revision.target_oid, revision.result_tree)
    except PortalError:
        return False


def _fact(row: Review, undone: ChangeRequest, why_not: str) -> evaluation.Review:
    at = row.created_at.astimezone(UTC)
    return evaluation.Review(
        person=row.reviewer_id,
        verdict=str(row.verdict),
        revision=row.revision.number,
        stage=str(row.stage),
        environment=row.environment,
        subject_equal=not why_not,
        counts=not why_not,
        why_not=why_not,
        id=row.pk,
        at=int(row.created_at.timestamp()),
        reauthenticated=row.reauthenticated,
        beforehand=f"at {at:%Y-%m-%d %H:%M} UTC, with the approval of {undone.label} {row.revision.label}",
    )
