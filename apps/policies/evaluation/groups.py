"""Rules that ask for several groups at once: nobody fills the places of two of them.

Who fills which place is a matching of people and places. Approvals are taken in the order in which they were given, each
by an augmenting path (H. W. Kuhn, "The Hungarian method for the assignment problem", 1955, in its unweighted form): a
group never has fewer after one more approval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from apps.policies.config import GroupNeed, Rule, approvals_words
from apps.policies.evaluation.demands import Demand, Judged, approvals
from apps.policies.evaluation.standing import Ledger
from apps.policies.evaluation.verdict import FAILED, MET, WAITING, RuleRef


def group_requirements(rule: Rule, ledger: Ledger, ref: RuleRef) -> list[Judged]:
    """One requirement for each group of ``all``."""
    groups = rule.needs.groups
    members = [frozenset(person for name in group.from_ for person in ledger.members(name)) for group in groups]
    fill = _filled(rule, ledger, members) if rule.needs.distinct and len(groups) > 1 else None
    judged = [
        approvals(
            ledger,
            code="rule",
            name=f"{rule.name}: {' or '.join(group.from_)}",
            principals=group.from_,
            count=group.approvals,
            text=_text(rule, group),
            rule=ref,
            needs=rule.needs,
            only=None if fill is None else fill[index],
        )
        for index, group in enumerate(groups)
    ]
    if fill is None:
        return judged
    return _bound(rule, ledger, members, fill, judged)


def _text(rule: Rule, group: GroupNeed) -> str:
    others = ", not by somebody who fills another place of this rule" if rule.needs.distinct else ""
    return f"{approvals_words(group.approvals)} from {' or '.join(group.from_)}{others}"


def _filled(rule: Rule, ledger: Ledger, members: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Group by group, whose approvals stand for it."""
    order = list(dict.fromkeys(one.person for one in ledger.standings if one.counts))
    able = [person for person in order if ledger.is_fit(person, rule.needs)]
    return matched(able, members, [group.approvals for group in rule.needs.groups])


def _bound(
    rule: Rule, ledger: Ledger, members: Sequence[frozenset[int]], fill: Sequence[frozenset[int]], judged: list[Judged]
) -> list[Judged]:
    """Each person can lift one of these only; where not even all people together could, it says so."""
    given = [person for some in fill for person in some]
    able = sorted({person for some in members for person in some if ledger.bar(person) is None}, key=ledger.name)
    most = matched(dict.fromkeys([*given, *able]), members, [group.approvals for group in rule.needs.groups])
    found = []
    for index, one in enumerate(judged):
        if one.requirement.state != MET and len(most[index]) < rule.needs.groups[index].approvals:
            text = one.requirement.text.removeprefix("Nobody can satisfy this: ")
            text = f"Nobody can satisfy this: the groups of this rule have too few different people. {text}"
            one = Judged(replace(one.requirement, state=FAILED, text=text, who_can_act=()))  # noqa: PLW2901
        elif one.requirement.state in (WAITING, FAILED):
            candidates = frozenset(able) & _reaching(index, members, fill) - frozenset(given)
            missing = rule.needs.groups[index].approvals - len(fill[index])
            demand = Demand(candidates, missing, apart=rule.name)
            requirement = replace(one.requirement, state=WAITING, who_can_act=ledger.names(candidates))
            one = Judged(requirement, demand)  # noqa: PLW2901
        found.append(one)
    return found


def _reaching(index: int, members: Sequence[frozenset[int]], fill: Sequence[frozenset[int]]) -> frozenset[int]:
    """Whose approval can fill a place of this group: its members, and those who free somebody of it elsewhere."""
    reached, new = {index}, [index]
    while new:
        group = members[new.pop()]
        movable = [other for other, holders in enumerate(fill) if other not in reached and holders & group]
        reached.update(movable)
        new += movable
    return frozenset().union(*(members[number] for number in reached))


def matched(people: Iterable[int], groups: Sequence[frozenset[int]], places: Sequence[int]) -> list[frozenset[int]]:
    """Who fills which group, each person one place at most, as many places as possible."""
    holders: list[set[int]] = [set() for _ in groups]
    for person in people:
        _place(person, groups, places, holders, set())
    return [frozenset(some) for some in holders]


def _place(
    person: int, groups: Sequence[frozenset[int]], places: Sequence[int], holders: list[set[int]], tried: set[int]
) -> bool:
    for index in sorted(range(len(groups)), key=lambda number: len(groups[number])):  # the scarce ones first
        if person not in groups[index] or index in tried:
            continue
        tried.add(index)
        if len(holders[index]) < places[index]:
            holders[index].add(person)
            return True
        for other in sorted(holders[index]):
            if _place(other, groups, places, holders, tried):
                holders[index].discard(other)
                holders[index].add(person)
                return True
    return False
