"""What is known of the effect of a revision, as rows have it; nothing here renders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from apps.changes.effects.sides import unpacked
from apps.changes.models import Rendering, RenderingPlan, Revision
from apps.core.reading import once_per_read
from apps.rendering.checks import Checked
from apps.rendering.comparing.codec import decode_difference
from apps.rendering.model import Difference

State = Rendering.State
KEEP = 24 * 3600  # seconds in the cache; what has a digest never changes
NOT_EVALUATED = "failed"
"""What stands in place of a digest where there is none: a later success is another effect."""


@dataclass(frozen=True, slots=True)
class Effects:
    """The renderings of one revision. ``is_planned``: it is known which targets there are.

    ``proposed``: the policy names no targets; these were found by looking, and hold nothing.
    """

    rows: tuple[Rendering, ...] = ()
    is_planned: bool = False
    proposed: bool = False
    problem: str = ""

    @property
    def binding(self) -> tuple[Rendering, ...]:
        """Those that gates ask for."""
        return () if self.proposed else self.rows

    @property
    def digests(self) -> dict[str, str]:
        """``environment/target`` → what an approval is bound to; without those that are not known yet."""
        return {row.label: digest for row in self.binding if (digest := digest_of(row))}


def digest_of(row: Rendering) -> str:
    """The digest of a rendering that has ended; empty for one that has not."""
    if row.state == State.RENDERED:
        return row.digest
    return "" if row.state == State.QUEUED else NOT_EVALUATED


@once_per_read
def effects_of(revision: Revision) -> Effects:
    """The renderings in the order of the policy, without their documents, which are large."""
    plan = RenderingPlan.objects.filter(revision=revision).first()
    if plan is None:
        return Effects()
    rows = revision.renderings.defer("document")
    return Effects(tuple(rows), is_planned=True, proposed=plan.proposed, problem=plan.problem)


def both_effects(earlier: Revision, later: Revision) -> tuple[Effects, Effects] | None:
    """The renderings of two revisions, ``None`` unless both were planned; two queries."""
    keys = (earlier.pk, later.pk)
    plans = {plan.revision_id: plan for plan in RenderingPlan.objects.filter(revision__in=keys)}
    if len(plans) < len(set(keys)):
        return None
    rows = list(Rendering.objects.filter(revision__in=keys).defer("document"))
    first, second = (
        Effects(
            tuple(row for row in rows if row.revision_id == key),
            is_planned=True,
            proposed=plans[key].proposed,
            problem=plans[key].problem,
        )
        for key in keys
    )
    return first, second


def differences_of(rows: Iterable[Rendering]) -> dict[str, Difference]:
    """``environment/target`` → what was found, of those that were rendered; kept by digest, so that each is read once."""
    found: dict[str, Difference] = {}
    missing: list[int] = []
    for row in rows:
        if row.state == State.RENDERED:
            kept: Difference | None = cache.get(f"rendered:1:{row.digest}")
            if kept is None:
                missing.append(row.pk)
            else:
                found[row.label] = kept
    for row in Rendering.objects.filter(pk__in=missing):
        difference = difference_of(row)
        if difference is not None:
            cache.set(f"rendered:1:{row.digest}", difference, KEEP)
            found[row.label] = difference
    return found


def difference_of(row: Rendering) -> Difference | None:
    """What a rendering found; ``None`` where it found nothing yet, or could not."""
    return decode_difference(unpacked(row.document)) if row.document else None


def checked_of(row: Rendering) -> Checked | None:
    """What the checks of the result found; ``None`` for what has none, or was rendered before there were any."""
    stored = row.facts.get("checks")
    return Checked.of_json(stored) if stored else None


def counts_of(rows: Iterable[Rendering]) -> dict[str, int]:
    """Resources that are created, updated, replaced and deleted, over all targets."""
    total = {"delete": 0, "replace": 0, "update": 0, "create": 0}
    for row in rows:
        counts: dict[str, Any] = row.facts.get("counts", {})
        for name in total:
            total[name] += int(counts.get(name, 0))
    return total
