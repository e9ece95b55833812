"""What must hold of the verdict for all rules and facts (Hypothesis)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.codeowners import OwnerMatch
from apps.policies.config import DEPLOY, MERGE, GroupNeed, Needs, RollbackConfig, Rule, When
from apps.policies.evaluation import (
    ChangeRequest,
    Contributor,
    EnvironmentFact,
    Facts,
    OpenThread,
    PathOwners,
    Person,
    PolicyFact,
    PolicyVerdict,
    Review,
    evaluate,
    replay,
    to_record,
)
from apps.policies.evaluation.demands import Demand
from apps.policies.evaluation.rules import DEFAULT_RULE
from apps.policies.evaluation.unblock import shortest_way

EXAMPLES = 60
IDS = st.integers(1, 6)
PATHS = ("a/x", "a/y.sql", "b/z")
ENVIRONMENTS = ("staging", "production")
TEAMS = ("team/a", "team/b", "@ann", "@g/t")
NOW = 1_000_000
RARELY = st.sampled_from([False, False, True])
GROUP_NEEDS = st.lists(
    st.builds(GroupNeed, st.integers(1, 2), st.sampled_from([("team/a",), ("team/b",), ("role/reviewer",)])),
    min_size=1,
    max_size=3,
).map(tuple)
GROUPS = st.lists(IDS, max_size=4, unique=True).map(tuple)


@st.composite
def rules(draw: Any) -> tuple[Rule, ...]:
    def one(number: int) -> Rule:
        when = When(
            draw(st.sampled_from([(), ("a/",), ("*.sql",)])),
            draw(st.sampled_from([(), ("production",), ENVIRONMENTS])),
            draw(st.sampled_from([(), (), (), ("resources",)])),
        )
        names = draw(
            st.lists(
                st.sampled_from(["team/a", "team/b", "code-owners", "role/reviewer"]),
                min_size=1,
                max_size=2,
                unique=True,
            )
        )
        kind = {"expires_seconds": draw(st.sampled_from([0, 0, 100])), "reauthenticate": draw(RARELY)}
        needs = Needs(draw(st.integers(1, 3)), tuple(names), **kind)
        if draw(RARELY):
            needs = Needs(0, groups=draw(GROUP_NEEDS), distinct=draw(st.booleans()), **kind)
        return Rule(f"rule {number}", draw(st.sampled_from([MERGE, DEPLOY])), when, needs)

    return tuple(one(number) for number in range(draw(st.integers(0, 3))))


@st.composite
def cases(draw: Any) -> Facts:
    stage = draw(st.sampled_from([MERGE, MERGE, DEPLOY]))
    environment = "production" if stage == DEPLOY else ""
    paths = tuple(draw(st.lists(st.sampled_from(PATHS), min_size=1, unique=True)))
    match = st.builds(
        OwnerMatch,
        st.sampled_from(["", "S"]),
        st.booleans(),
        st.integers(1, 2),
        st.lists(st.sampled_from(["@ann", "@g/t", "@ghost"]), min_size=1, max_size=2, unique=True).map(tuple),
        st.just(3),
        st.just("*"),
    )
    review = st.builds(
        Review,
        IDS,
        st.sampled_from(["approve", "approve", "approve", "request_changes", "comment"]),
        st.integers(1, 3),
        st.sampled_from([stage, stage, MERGE]),
        st.sampled_from([environment, environment, "staging"]),
        st.booleans() | st.just(True),
        st.booleans() | st.just(True),
        st.sampled_from(["", "expired", "nonsense"]),
        at=st.sampled_from([NOW, NOW - 99, NOW - 100, 0]),
        reauthenticated=st.booleans(),
    )
    return Facts(
        stage=stage,
        status=draw(
            st.sampled_from(
                ["in_review", "in_review", "draft"] if stage == MERGE else ["merged", "merged", "in_review"]
            )
        ),
        environment=environment,
        kind=draw(st.sampled_from(["normal", "normal", "rollback"])),
        requester=draw(IDS),
        revision=3,
        is_current=draw(st.sampled_from([True, True, True, False])),
        conflicts=draw(st.sampled_from([(), (), ("a/x",)])),
        changed_paths=paths,
        environments=tuple(EnvironmentFact(name, name == "production", draw(st.booleans())) for name in ENVIRONMENTS),
        owners=tuple(PathOwners(path, tuple(draw(st.lists(match, max_size=2)))) for path in paths),
        principals={name: draw(GROUPS) for name in (*TEAMS, "role/reviewer", "role/maintainer")},
        people=tuple(
            Person(
                n,
                f"p{n}",
                draw(st.sampled_from([True, True, False])),
                draw(st.sampled_from([True, True, False])),
                draw(st.sampled_from([True, True, False])),
            )
            for n in range(1, 7)
        ),
        reviews=tuple(draw(st.lists(review, max_size=6))),
        contributors=tuple(draw(st.lists(st.builds(Contributor, IDS, st.just("author"), st.just(1)), max_size=2))),
        change_requests=tuple(draw(st.lists(st.builds(ChangeRequest, IDS, st.just(2)), max_size=1))),
        open_threads=tuple(draw(st.lists(st.builds(OpenThread, IDS), max_size=1))),
        policy=PolicyFact(draw(st.sampled_from(["file", "file", "last_valid", "broken"]))),
        rollback=RollbackConfig(draw(st.integers(0, 2)), draw(st.integers(0, 2))),
        moment=NOW,
    )


def approval(case: Facts, person: int) -> Review:
    return Review(person, "approve", case.revision, case.stage, case.environment, at=NOW, reauthenticated=True)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases(), IDS)
def test_one_more_approval_never_turns_allowed_into_refused(asked: tuple[Rule, ...], case: Facts, person: int) -> None:
    before = evaluate(asked, case)
    after = evaluate(asked, replace(case, reviews=(*case.reviews, approval(case, person))))
    assert after.allowed or not before.allowed
    lost = [
        (old.name, new.state)
        for old, new in zip(before.requirements, after.requirements, strict=True)
        if old.is_satisfied and not new.is_satisfied
    ]
    assert lost == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases())
def test_contributors_disabled_people_and_machines_never_count(asked: tuple[Rule, ...], case: Facts) -> None:
    barred = {found.person for found in case.contributors} | {
        person.id for person in case.people if not (person.active and person.human and person.may_approve)
    }
    without = tuple(review for review in case.reviews if review.person not in barred or review.verdict != "approve")
    assert evaluate(asked, case).allowed == evaluate(asked, replace(case, reviews=without)).allowed
    assert not any(found.counts for found in evaluate(asked, case).standings if found.person in barred)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases())
def test_approvals_of_another_subject_never_count(asked: tuple[Rule, ...], case: Facts) -> None:
    stale = tuple(replace(review, subject_equal=False) for review in case.reviews)
    verdict = evaluate(asked, replace(case, reviews=stale))
    assert not any(found.counts for found in verdict.standings)
    assert all(found.have == 0 for found in verdict.requirements)


def is_by_default(verdict: PolicyVerdict) -> bool:
    """Whether no rule of the file applied, so that the one of the portal holds."""
    return any(found.rule is not None and found.rule.name == DEFAULT_RULE.name for found in verdict.requirements)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases())
def test_removing_a_rule_never_closes_the_gate_while_another_applies(asked: tuple[Rule, ...], case: Facts) -> None:
    if not evaluate(asked, case).allowed:
        return
    for number in range(len(asked)):
        fewer = evaluate(asked[:number] + asked[number + 1 :], case)
        default = is_by_default(fewer)
        assert fewer.allowed or default


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases())
def test_adding_a_rule_never_opens_the_gate_but_for_the_default(asked: tuple[Rule, ...], case: Facts) -> None:
    more = Rule("more", case.stage, needs=Needs(1, ("team/a",)))
    before, after = evaluate(asked, case), evaluate((*asked, more), case)
    default = is_by_default(before)
    assert before.allowed or not after.allowed or default


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases())
def test_verdict_is_deterministic_replayable_and_explained(asked: tuple[Rule, ...], case: Facts) -> None:
    verdict = evaluate(asked, case)
    assert replay(json.loads(json.dumps(to_record(asked, case)))) == verdict
    assert json.loads(json.dumps(verdict.to_dict())) == verdict.to_dict()
    assert verdict.allowed == (not verdict.reasons) == all(found.is_satisfied for found in verdict.requirements)
    assert verdict.summary
    assert all(found.text and found.name for found in verdict.requirements)
    assert all(found.state in ("met", "waiting", "failed", "not_needed") for found in verdict.requirements)
    assert all(not found.who_can_act for found in verdict.requirements if found.is_satisfied)
    assert not verdict.allowed or verdict.can_unblock == ()


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases())
def test_people_named_as_able_to_act_can_open_an_approval_row(asked: tuple[Rule, ...], case: Facts) -> None:
    ids = {person.username: person.id for person in case.people}
    verdict = evaluate(asked, case)
    for found in verdict.requirements:
        if found.action == "approves" and found.needed and found.state == "waiting":
            given_ = tuple(approval(case, ids[name]) for name in found.who_can_act)
            again = evaluate(asked, replace(case, reviews=(*case.reviews, *given_)))
            rows = [
                new
                for new in again.requirements
                if (new.name, new.rule, new.text[:20]) == (found.name, found.rule, found.text[:20])
            ]
            assert any(new.state == "met" for new in rows)


@settings(max_examples=EXAMPLES, deadline=None)
@given(rules(), cases())
def test_the_people_who_can_unblock_really_unblock(asked: tuple[Rule, ...], case: Facts) -> None:
    calm = replace(
        case,
        status="in_review" if case.stage == MERGE else "merged",
        is_current=True,
        conflicts=(),
        open_threads=(),
        change_requests=(),
    )
    verdict = evaluate(asked, calm)
    ids = {person.username: person.id for person in calm.people}
    if verdict.can_unblock:
        acts = [approval(calm, ids[name]) for name in verdict.can_unblock]
        assert evaluate(asked, replace(calm, reviews=(*calm.reviews, *acts))).allowed
        for number in range(len(acts)):
            fewer = acts[:number] + acts[number + 1 :]
            assert not evaluate(asked, replace(calm, reviews=(*calm.reviews, *fewer))).allowed


DEMANDS = st.lists(
    st.tuples(st.frozensets(st.integers(1, 7), min_size=1, max_size=6), st.integers(1, 3)).map(
        lambda pair: Demand(pair[0], min(pair[1], len(pair[0])))
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(DEMANDS)
def test_shortest_way_is_as_short_as_brute_force_finds(demands: list[Demand]) -> None:
    way = shortest_way(demands, str)
    people = sorted({person for demand in demands for person in demand.candidates})

    def enough(chosen: tuple[int, ...]) -> bool:
        return all(len(demand.candidates & set(chosen)) >= demand.missing for demand in demands)

    best = next(size for size in range(len(people) + 1) if any(map(enough, combinations(people, size))))
    assert len(way) == best
    chosen = tuple(seat.person for seat in way)
    assert enough(chosen)
    for seat in way:
        for other in seat.alternatives:
            assert enough(tuple(other if person == seat.person else person for person in chosen))


def test_large_case_is_answered_greedily_in_bounded_time() -> None:
    demands = [Demand(frozenset(range(n, n + 40)), 3) for n in range(0, 400, 7)]
    way = shortest_way(demands, lambda person: f"{person:04}")
    chosen = {seat.person for seat in way}
    assert all(len(demand.candidates & chosen) >= 3 for demand in demands)
