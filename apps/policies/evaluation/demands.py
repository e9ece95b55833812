"""Approvals: how many, out of whom, how many are there, and who could give the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from apps.policies.config import Needs
from apps.policies.evaluation.facts import Part
from apps.policies.evaluation.quality import words as kind_words
from apps.policies.evaluation.seeing import asks_to_see, unseen_parts, unseen_words, wanted_parts
from apps.policies.evaluation.standing import Ledger, Standing
from apps.policies.evaluation.verdict import FAILED, MET, WAITING, Requirement, ReviewStanding, RuleRef

APPROVES = "approves"
NO_NEEDS = Needs()
_BARRED = {
    Standing.AUTHOR: "contributed",
    Standing.COMMITTER: "contributed",
    Standing.PUSHER: "contributed",
    Standing.CO_AUTHOR: "contributed",
    Standing.SUGGESTION: "contributed",
    Standing.SPONSOR: "contributed",
    Standing.REQUESTER: "asked for the rollback",
    Standing.DISABLED: "disabled",
    Standing.SERVICE_ACCOUNT: "a service account",
    Standing.ROLE_REMOVED: "without a role that may approve",
    Standing.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class Demand:
    """``missing`` more acts are wanted from different people among ``candidates`` (ids).

    Of demands with the same ``apart`` a person can serve one only.
    """

    candidates: frozenset[int]
    missing: int
    action: str = APPROVES
    apart: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A requirement, and what would lift it if people can. ``opens``: it ends by itself, and when, in words."""

    requirement: Requirement
    demand: Demand | None = None
    opens: str = ""


def approvals(
    ledger: Ledger,
    *,
    code: str,
    name: str,
    principals: Sequence[str],
    count: int,
    text: str,
    rule: RuleRef | None,
    paths: Sequence[str] = (),
    needs: Needs = NO_NEEDS,
    only: frozenset[int] | None = None,
) -> Judged:
    """The requirement that ``count`` different people out of ``principals`` approve.

    ``needs`` says what else the rule asks of an approval; ``only``: these alone stand for it, others fill other places.
    """
    members = {person for principal in principals for person in ledger.members(principal)}
    approvers = members & set(ledger.approvers)
    lacking = {person: lack for person in approvers if (lack := ledger.lacks(person, needs)) is not None}
    unseen = _unseen(ledger, approvers - set(lacking), needs.seen)
    fit = approvers - set(unseen) - set(lacking)
    given = sorted(fit if only is None else fit & only, key=ledger.name)
    candidates = frozenset(person for person in members if person not in given and ledger.bar(person) is None)
    text += asks_to_see(needs.seen) + kind_words(needs)
    missing = max(0, count - len(given))
    words = f"{text}: {len(given)} of {count}."
    state = MET if not missing else WAITING if len(candidates) >= missing else FAILED
    if state == FAILED:
        words = f"Nobody can satisfy this: {_why_nobody(ledger, principals, members, count)} {words}"
    requirement = Requirement(
        code, name, state, words, _evidence(ledger, given, principals),
        ledger.names(candidates) if state == WAITING else (),
        rule, len(given), count, APPROVES,
        _not_counted(ledger, members, unseen, lacking), tuple(principals), tuple(paths),
    )  # fmt: skip
    return Judged(requirement, Demand(candidates, missing) if state == WAITING else None)


def _evidence(ledger: Ledger, given: Sequence[int], principals: Sequence[str]) -> tuple[str, ...]:
    approved = tuple(_approved(ledger, person) for person in given)
    return approved + tuple(f"{name} is not known here" for name in principals if not ledger.members(name))


def _approved(ledger: Ledger, person: int) -> str:
    beforehand = ledger.approval_of(person).beforehand
    if beforehand:
        return f"pre-authorised by {ledger.name(person)} {beforehand}"
    carried = f", carried over to r{ledger.facts.revision}" if ledger.approval_of(person).carried else ""
    return f"{ledger.name(person)} approved r{ledger.approvers[person].revision}{carried}"


def _unseen(ledger: Ledger, approvers: set[int], seen: Sequence[str]) -> dict[int, tuple[str, tuple[Part, ...]]]:
    """Approvers who had not viewed what the rule asks for, with what is missing: in words and as parts."""
    wanted = wanted_parts(ledger.facts, seen)
    found: dict[int, tuple[str, tuple[Part, ...]]] = {}
    for person in approvers:
        missing = unseen_parts(wanted, ledger.seen_by(person))
        if missing:
            parts = dict.fromkeys(part for some in missing.values() for part in some)
            found[person] = (unseen_words(wanted, missing), tuple(parts))
    return found


def _not_counted(
    ledger: Ledger,
    members: set[int],
    unseen: dict[int, tuple[str, tuple[Part, ...]]],
    lacking: dict[int, Standing],
) -> tuple[ReviewStanding, ...]:
    """Every approval that does not count for this requirement, with the reason."""
    found = []
    for standing in ledger.standings:
        if not standing.counts:
            found.append(standing)
        elif standing.person not in members:
            found.append(ledger.outside(standing))
        elif standing.person in lacking:
            found.append(ledger.weaker(standing, lacking[standing.person]))
        elif standing.person in unseen:
            found.append(ledger.without_seeing(standing, *unseen[standing.person]))
    return tuple(found)


def _why_nobody(ledger: Ledger, principals: Sequence[str], members: set[int], count: int) -> str:
    names = " and ".join(principals)
    if not members:
        return f"{names} {'has' if len(principals) == 1 else 'have'} no member who is known here."
    barred = Counter(_BARRED[standing] for standing in map(ledger.bar, sorted(members)) if standing)
    reasons = ", ".join(f"{number} {reason}" for reason, number in sorted(barred.items()))
    people = "1 person" if len(members) == 1 else f"{len(members)} people"
    because = f": of {people} in {names}, {reasons}." if reasons else f": {names} has only {people}."
    return f"{count} {'approval is' if count == 1 else 'approvals are'} asked for{because}"
