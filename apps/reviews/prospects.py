"""Before and beside a verdict: what an approval would be worth if it were given now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.policies.config import Rule
from apps.policies.evaluation import Facts, Part, PolicyVerdict
from apps.reviews import access
from apps.reviews.models import Review
from apps.reviews.queries import gate_of
from apps.reviews.supposing import Worth, worth_of

MOST_OUTLOOKS = 12


def approval_worth(
    user: User,
    change: ChangeRequest,
    seen: Sequence[str],
    *,
    stage: str = Review.Stage.MERGE,
    environment: str = "",
    reauthenticated: bool = True,
) -> Worth:
    """What an approval by ``user`` would be worth now, who has viewed the parts with the keys ``seen``."""
    return worth_of(*gate_of(change, stage, environment), user.pk, seen, reauthenticated=reauthenticated)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a reviewer reads before submitting: ``counts`` and the sentence; ``unseen``: what has to be viewed before."""

    counts: bool
    text: str
    unseen: tuple[Part, ...] = ()


def prospect(user: User, change: ChangeRequest, rules: Sequence[Rule], facts: Facts, seen: Sequence[str]) -> Prospect:
    """Whether an approval by ``user`` would count, and for what."""
    may = access.can_review(user, change, verdict=Review.Verdict.APPROVE)
    if not may.allowed:
        return Prospect(counts=False, text=f"Your approval will not count: {may.text}")
    worth = worth_of(rules, facts, user.pk, seen)
    if worth.unseen:
        text = f"Your approval will not be taken before you viewed what a rule asks for: {worth.unseen_words}."
        return Prospect(counts=False, text=text, unseen=worth.unseen)
    if worth.counts_for:
        return Prospect(counts=True, text=f"Your approval will count for: {', '.join(worth.counts_for)}.")
    return Prospect(counts=True, text="Your approval will be recorded; no requirement waits for it.")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the verdict would be if ``username`` approved now."""

    username: str
    allowed: bool
    text: str


def outlooks(rules: Sequence[Rule], facts: Facts, verdict: PolicyVerdict) -> list[Outlook]:
    """For each person who could bring the verdict forward by approving: what it would be then. No query."""
    waiting = [row for row in verdict.requirements if row.action == "approves" and not row.is_satisfied]
    names = list(dict.fromkeys(name for row in waiting for name in row.who_can_act))[:MOST_OUTLOOKS]
    ids = {person.username: person.id for person in facts.people}
    everything = tuple(part.key for part in facts.parts or ())
    return [_outlook(name, worth_of(rules, facts, ids[name], everything)) for name in names if name in ids]


def _outlook(name: str, worth: Worth) -> Outlook:
    left = [row.name for row in worth.verdict.requirements if not row.is_satisfied]
    for_what = ", ".join(worth.counts_for)
    if worth.verdict.allowed:
        return Outlook(name, allowed=True, text="Met: nothing else would stand in the way.")
    return Outlook(
        name,
        allowed=False,
        text=f"{for_what or 'No requirement'} brought forward; still waiting for {', '.join(left)}.",
    )
