"""What would be if somebody approved now: the same evaluation on facts with one approval more. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apps.policies.config import DEPLOY, Rule
from apps.policies.evaluation import Facts, Part, PolicyVerdict, Review, Standing, evaluate

SUPPOSED = -1
"""The id of a review that nobody gave."""


@dataclass(frozen=True, slots=True)
class Worth:
    """``counts_for``: names of the requirements that the approval would bring forward; ``unseen``: parts that have to be
    viewed before; ``unseen_words`` says so; ``must_sign_in``: a rule takes it only from somebody who has just signed in
    again; ``verdict``: the whole answer after it."""

    counts_for: tuple[str, ...]
    unseen: tuple[Part, ...]
    unseen_words: str
    must_sign_in: bool
    verdict: PolicyVerdict


def suppose_approval(facts: Facts, person: int, seen: Sequence[str], *, reauthenticated: bool = True) -> Facts:
    """The facts with an approval of the present revision by ``person``, who had viewed ``seen`` (keys of parts)."""
    review = Review(
        person,
        "approve",
        facts.revision,
        stage=facts.stage,
        environment=facts.environment if facts.stage == DEPLOY else "",
        id=SUPPOSED,
        seen=tuple(seen),
        at=facts.moment,
        reauthenticated=reauthenticated,
    )
    others = tuple(found for found in facts.change_requests if found.person != person)
    return replace(facts, reviews=(*facts.reviews, review), change_requests=others)


def worth_of(
    rules: Sequence[Rule], facts: Facts, person: int, seen: Sequence[str], *, reauthenticated: bool = True
) -> Worth:
    """What an approval of ``person`` would be worth now."""
    before = evaluate(rules, facts)
    after = evaluate(rules, suppose_approval(facts, person, seen, reauthenticated=reauthenticated))
    had = {(row.code, row.name, row.rule): row.have for row in before.requirements}
    gained = [row.name for row in after.requirements if row.have > had.get((row.code, row.name, row.rule), row.have)]
    supposed = [one for row in after.requirements for one in row.not_counted if one.review == SUPPOSED]
    short = [one for one in supposed if one.code == Standing.NOT_ALL_SEEN]
    again = any(one.code == Standing.REAUTHENTICATION_MISSING for one in supposed)
    unseen = dict.fromkeys(part for standing in short for part in standing.unseen)
    words = dict.fromkeys(standing.reason for standing in short)
    return Worth(tuple(dict.fromkeys(gained)), tuple(unseen), "; ".join(words), again, after)
