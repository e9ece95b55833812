"""Options of rules: groups by different people, age, signing in again, checks, size, authors, time; and windows at a gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.policies.config import GroupNeed, Needs, Rule, SizeClause, When
from apps.policies.evaluation import HoldFact, OverrideFact, Review, evaluate, from_record, replay, to_record
from apps.policies.evaluation.groups import matched
from tests.support.policy_facts import ALICE, BOB, CAROL, DAVE, ERIN, KIM, approvals, facts, row

DAY = 86_400
NOW = 1_800_000_000


def groups(*needs: tuple[int, str], **more: Any) -> Rule:
    return Rule(
        "both", needs=Needs(0, groups=tuple(GroupNeed(count, (name,)) for count, name in needs), **more), line=3
    )


SRE_AND_NETWORK = groups((1, "team/sre"), (1, "team/network"))


def test_one_person_of_both_groups_fills_one_place_only() -> None:
    one = evaluate([SRE_AND_NETWORK], facts(reviews=approvals(KIM)))
    assert not one.allowed
    assert [found.state for found in one.requirements if found.code == "rule"] == ["met", "waiting"]
    assert evaluate([SRE_AND_NETWORK], facts(reviews=approvals(KIM, BOB))).allowed
    assert evaluate([SRE_AND_NETWORK], facts(reviews=approvals(BOB, KIM))).allowed


def test_a_person_changes_the_place_when_another_can_fill_only_that_one() -> None:
    """kim stands for sre at first; bob is only in sre, so kim moves to network."""
    assert evaluate([SRE_AND_NETWORK], facts(reviews=approvals(KIM, BOB))).allowed
    assert matched([KIM, BOB], [frozenset({BOB, KIM}), frozenset({KIM, CAROL})], [1, 1]) == [{BOB}, {KIM}]


def test_without_distinct_one_person_may_fill_both() -> None:
    rule = groups((1, "team/sre"), (1, "team/network"), distinct=False)
    assert evaluate([rule], facts(reviews=approvals(KIM))).allowed


def test_the_shortest_way_names_different_people_for_the_groups() -> None:
    verdict = evaluate([SRE_AND_NETWORK], facts())
    assert len(verdict.can_unblock) == 2
    for person in (KIM, BOB, CAROL):
        after = evaluate([SRE_AND_NETWORK], facts(reviews=approvals(person)))
        assert len(after.can_unblock) == 1


def test_groups_that_have_only_one_person_between_them_say_that_nobody_can() -> None:
    rule = groups((1, "team/one"), (1, "team/same"))
    base = facts()
    lonely = replace(base, principals={**base.principals, "team/one": (KIM,), "team/same": (KIM,)})
    verdict = evaluate([rule], lonely)
    states = [found.state for found in verdict.requirements if found.code == "rule"]
    assert "failed" in states
    assert any("too few different people" in found.text for found in verdict.requirements)


def test_contributors_fill_no_place() -> None:
    rule = groups((1, "team/ours"), (1, "team/sre"))
    assert not evaluate([rule], facts(reviews=approvals(ALICE, BOB))).allowed


def aged(seconds: int) -> tuple[Review, ...]:
    return approvals(BOB, at=NOW - seconds)


@pytest.mark.parametrize(("age", "counts"), [(0, True), (7 * DAY - 1, True), (7 * DAY, False), (9 * DAY, False)])
def test_an_approval_counts_until_it_expires(age: int, counts: bool) -> None:
    rule = Rule("young", needs=Needs(1, ("team/sre",), expires_seconds=7 * DAY), line=1)
    verdict = evaluate([rule], facts(reviews=aged(age), moment=NOW))
    assert verdict.allowed is counts
    if not counts:
        assert row(verdict, "rule").not_counted[0].code == "expired"
        assert "bob" in row(verdict, "rule").who_can_act  # giving it anew is possible
        assert "not older than 7 days" in row(verdict, "rule").text


@pytest.mark.parametrize("changes", [{"moment": 0}, {"reviews": approvals(BOB)}])
def test_an_age_that_is_not_known_is_no_young_one(changes: dict[str, Any]) -> None:
    rule = Rule("young", needs=Needs(1, ("team/sre",), expires_seconds=DAY), line=1)
    verdict = evaluate([rule], replace(facts(reviews=aged(0), moment=NOW), **changes))
    assert not verdict.allowed
    assert row(verdict, "rule").state == "failed"


def test_an_approval_without_signing_in_again_does_not_count_where_a_rule_asks() -> None:
    rule = Rule("sure", needs=Needs(1, ("team/sre",), reauthenticate=True), line=1)
    verdict = evaluate([rule], facts(reviews=approvals(BOB)))
    assert not verdict.allowed
    assert row(verdict, "rule").not_counted[0].code == "reauthentication_missing"
    assert evaluate([rule], facts(reviews=approvals(BOB, reauthenticated=True))).allowed


def test_groups_ask_the_same_of_each_approval() -> None:
    rule = groups((1, "team/sre"), (1, "team/network"), reauthenticate=True)
    weak = approvals(BOB) + approvals(CAROL, reauthenticated=True)
    assert not evaluate([rule], facts(reviews=weak)).allowed
    strong = tuple(replace(review, reauthenticated=True) for review in weak)
    assert evaluate([rule], facts(reviews=strong)).allowed


@pytest.mark.parametrize(
    ("checks", "state"),
    [
        ({"unit": "success"}, "met"),
        ({"unit": "failure"}, "failed"),
        ({"unit": "pending"}, "waiting"),
        ({}, "waiting"),
        ({"other": "success"}, "waiting"),
        ({"unit": "skipped"}, "failed"),
        (None, "failed"),
    ],
)
def test_a_check_that_is_asked_for_must_have_succeeded(checks: dict[str, str] | None, state: str) -> None:
    rule = Rule("ci", needs=Needs(0, checks=("unit",)), line=1)
    verdict = evaluate([rule], facts(checks=checks, reviews=approvals(BOB)))
    found = next(one for one in verdict.requirements if one.code in ("check", "rule"))
    assert found.state == state
    assert verdict.allowed is (state == "met")


def test_a_rule_of_checks_alone_leaves_the_default_rule_in_force() -> None:
    """Nothing is merged without a second person, whatever pipelines say."""
    rule = Rule("ci", needs=Needs(0, checks=("unit",)), line=1)
    assert not evaluate([rule], facts(checks={"unit": "success"})).allowed
    assert evaluate([rule], facts(checks={"unit": "success"}, reviews=approvals(BOB))).allowed


@pytest.mark.parametrize(
    ("when", "changes", "applies"),
    [
        (When(size=SizeClause(files=3)), {"files": 3, "lines": 1}, True),
        (When(size=SizeClause(files=3)), {"files": 2, "lines": 9999}, False),
        (When(size=SizeClause(files=3, lines=100)), {"files": 1, "lines": 100}, True),
        (When(authors=("unknown",)), {"authors": ("unknown",)}, True),
        (When(authors=("unknown", "guest")), {"authors": ("service",)}, False),
        (When(windows=("night",)), {"lasting": ("night",)}, True),
        (When(windows=("night",)), {"lasting": ()}, False),
    ],
)
def test_clauses_about_size_authors_and_time(when: When, changes: dict[str, Any], applies: bool) -> None:
    rule = Rule("more", when=when, needs=Needs(1, ("team/network",)), line=1)
    verdict = evaluate([rule], facts(reviews=approvals(BOB), **changes))
    assert verdict.allowed is not applies


@pytest.mark.parametrize("when", [When(size=SizeClause(lines=1)), When(authors=("guest",)), When(windows=("w",))])
def test_a_clause_whose_fact_is_missing_holds_the_change(when: When) -> None:
    verdict = evaluate([Rule("more", when=when, needs=Needs(1), line=1)], facts(reviews=approvals(BOB)))
    assert not verdict.allowed
    assert "could not be evaluated" in row(verdict, "rule").text


FROZEN = HoldFact("freeze", ("year end",), "", "Sat 2 Jan 2027 08:00 (UTC)", ("team/network",))
CLOSED = HoldFact("allow", ("weekdays",), "", "Mon 4 Jan 2027 09:00 (UTC)", ("team/network",))


def test_a_freeze_holds_what_has_every_approval_and_says_until_when() -> None:
    verdict = evaluate([], facts(reviews=approvals(BOB), holds=(FROZEN,)))
    found = row(verdict, "freeze")
    assert not verdict.allowed
    assert found.state == "waiting"
    assert found.text == "Freeze “year end” holds until Sat 2 Jan 2027 08:00 (UTC)."
    assert found.who_can_act == ("carol", "kim")
    assert verdict.summary.endswith("Shortest way: the freeze ends Sat 2 Jan 2027 08:00 (UTC).")


def test_the_summary_says_first_the_person_and_then_the_time() -> None:
    verdict = evaluate([], facts(holds=(CLOSED,)))
    assert "approves, then the window opens Mon 4 Jan 2027 09:00 (UTC)" in verdict.summary


def test_a_window_that_never_opens_blocks() -> None:
    verdict = evaluate([], facts(reviews=approvals(BOB), holds=(replace(CLOSED, until=""),)))
    assert row(verdict, "window").state == "failed"
    assert verdict.summary.startswith("Blocked")


@pytest.mark.parametrize(
    ("override", "lifts"),
    [
        (OverrideFact(KIM, ("year end",)), True),
        (OverrideFact(KIM, ("year end", "weekdays")), True),
        (OverrideFact(KIM, ("weekdays",)), False),
        (OverrideFact(KIM, ("year end",), "production"), False),
        (OverrideFact(KIM, ("year end",), counts=False), False),
        (OverrideFact(BOB, ("year end",)), False),
        (OverrideFact(ALICE, ("year end",)), False),
        (OverrideFact(99, ("year end",)), False),
    ],
)
def test_an_override_lifts_what_it_names_and_only_from_who_may(override: OverrideFact, lifts: bool) -> None:
    base = facts(reviews=approvals(BOB), holds=(FROZEN,), overrides=(override,))
    base = replace(base, principals={**base.principals, "team/network": (ALICE, KIM, CAROL)})
    assert evaluate([], base).allowed is lifts


def test_a_rollback_is_not_held_by_a_window() -> None:
    verdict = evaluate([], facts(kind="rollback", requester=ERIN, reviews=approvals(BOB), holds=(FROZEN,)))
    assert row(verdict, "freeze").state == "not_needed"


def test_a_hold_of_an_unknown_kind_blocks() -> None:
    assert not evaluate([], facts(reviews=approvals(BOB), holds=(replace(FROZEN, kind="pause"),))).allowed


def test_verdicts_with_every_option_are_replayed_from_their_record_to_the_letter() -> None:
    rules = [
        SRE_AND_NETWORK,
        Rule("q", needs=Needs(1, ("team/sre",), expires_seconds=DAY, reauthenticate=True, checks=("unit",)), line=2),
        Rule("s", when=When(size=SizeClause(1, 2), authors=("guest",), windows=("w",)), needs=Needs(1), line=3),
    ]
    given = facts(
        reviews=approvals(BOB, KIM, at=NOW, reauthenticated=True),
        holds=(FROZEN,),
        overrides=(OverrideFact(DAVE, ("year end",)),),
        moment=NOW,
        files=2,
        lines=9,
        authors=("guest",),
        lasting=("w",),
        checks={"unit": "success"},
    )
    record = to_record(rules, given)
    assert from_record(record) == (tuple(rules), given)
    assert replay(record).to_dict() == evaluate(rules, given).to_dict()
