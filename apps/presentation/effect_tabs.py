"""The effect of a revision in few words: for the tabs of a change and for its overview."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from apps.changes.effects.reading import State, counts_of, effects_of
from apps.changes.models import Rendering, Revision
from apps.core.prepared import Prepared
from apps.reviews.effects import PLANS

_by_kind: Prepared[tuple[str, int]] = Prepared(
    lambda revision: (
        Rendering.objects.filter(revision=revision).order_by().values_list("kind").annotate(number=Count("pk"))
    ),
    1,
)


def targets_of(revision: int) -> tuple[int, int]:
    """Targets that are rendered, and targets that are planned; one query."""
    found = dict(_by_kind.ask(revision))
    planned = sum(count for kind, count in found.items() if kind in PLANS)
    return sum(found.values()) - planned, planned


@dataclass(frozen=True, slots=True)
class EffectSummary:
    """``counts``: resources by what happens to them, the heaviest first; ``risks``: the gravest sentences, each once."""

    targets: int
    counts: tuple[tuple[str, int], ...]
    risks: tuple[tuple[str, str], ...]
    more_risks: int
    waiting: int
    failed: tuple[str, ...]
    first_page: str


SHOWN_RISKS = 5


def effect_summary(revision: Revision) -> EffectSummary | None:
    """What the overview says; ``None`` where no target is reached."""
    rows = effects_of(revision).rows
    if not rows:
        return None
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for _, weight, text, resource in row.facts.get("risks", ()):
            found.setdefault((weight, f"{resource}: {text}"), []).append(row.label)
    risks = [
        (weight, f"{text} ({labels[0] if len(labels) == 1 else f'{len(labels)} targets'})")
        for (weight, text), labels in found.items()
    ]
    ordered = sorted(risks, key=lambda risk: (risk[0] != "high", risk[1]))
    return EffectSummary(
        targets=len(rows),
        counts=tuple((action, count) for action, count in counts_of(rows).items() if count),
        risks=tuple(ordered[:SHOWN_RISKS]),
        more_risks=max(0, len(ordered) - SHOWN_RISKS),
        waiting=sum(row.state == State.QUEUED for row in rows),
        failed=tuple(row.label for row in rows if row.state in {State.FAILED, State.CANCELLED}),
        first_page="rendered/" if any(row.kind not in PLANS for row in rows) else "plan/",
    )
