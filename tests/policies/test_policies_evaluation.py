"""The verdict, case by case: rules, owners, and why an approval does not count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apps.policies.config import DEPLOY, Needs, Rule, When
from apps.policies.evaluation import (
    SENTENCES,
    Contributor,
    EnvironmentFact,
    Review,
    Standing,
    evaluate,
)
from tests.support.policy_facts import (
    BOB,
    CAROL,
    GONE,
    KIM,
    PEOPLE,
    PRINCIPALS,
    ROBOT,
    approvals,
    facts,
    row,
    rule,
)

# --- rules ---------------------------------------------------------------------------------------------------


def test_one_approval_of_the_named_team_is_enough() -> None:
    verdict = evaluate([rule(1, "team/sre")], facts(reviews=approvals(BOB)))
    assert verdict.allowed
    assert verdict.reasons == ()
    assert row(verdict, "rule").evidence == ("bob approved r3",)
    assert verdict.summary == "Ready to merge: all 6 requirements are met."


def test_without_approval_it_waits_and_says_who_can_act() -> None:
    verdict = evaluate([rule(1, "team/sre", name="experts")], facts())
    found = row(verdict, "rule")
    assert not verdict.allowed
    assert (found.state, found.who_can_act, found.have, found.needed) == ("waiting", ("bob", "kim"), 0, 1)
    assert found.rule is not None
    assert (found.rule.name, found.rule.place) == ("experts", ".gitops/portal.yaml:7")
    assert verdict.summary == "Waiting for 1 of 6. Shortest way: bob or kim approves."
    assert verdict.can_unblock == ("bob",)
    assert [reason.code for reason in verdict.reasons] == ["rule"]


def test_count_is_of_different_people_out_of_all_groups_together() -> None:
    two = rule(2, "team/sre", "team/network")
    assert not evaluate([two], facts(reviews=approvals(KIM, KIM))).allowed
    assert evaluate([two], facts(reviews=approvals(KIM, BOB))).allowed
    assert evaluate([two], facts(reviews=approvals(BOB, CAROL))).allowed


def test_two_rules_may_be_met_by_one_person_of_both_groups() -> None:
    verdict = evaluate([rule(1, "team/sre"), rule(1, "team/network", name="net")], facts())
    assert verdict.can_unblock == ("kim",)
    assert evaluate([rule(1, "team/sre"), rule(1, "team/network", name="net")], facts(reviews=approvals(KIM))).allowed


@pytest.mark.parametrize(
    ("when", "needed"),
    [
        (When(paths=("infra/",)), True),
        (When(paths=("*.tf",)), True),
        (When(paths=("charts/**",)), False),
        (When(paths=("charts/**", "infra/**")), True),
        (When(environments=("production",)), True),
        (When(environments=("staging",)), False),
        (When(environments=("staging", "production")), True),
        (When(paths=("charts/",), environments=("production",)), False),
    ],
)
def test_rule_is_asked_only_where_every_clause_holds(when: When, needed: bool) -> None:
    reached = (EnvironmentFact("staging", affected=False), EnvironmentFact("production"))
    found = row(evaluate([rule(1, "team/sre", when=when)], facts(environments=reached)), "rule")
    assert (found.state == "waiting") is needed
    assert (found.state == "not_needed") is not needed


def test_rule_for_an_unknown_environment_fails_closed() -> None:
    verdict = evaluate([rule(when=When(environments=("prod",)))], facts(reviews=approvals(BOB)))
    assert row(verdict, "rule").state == "failed"
    assert "could not be evaluated: prod is not among" in row(verdict, "rule").text


@pytest.mark.parametrize(
    "broken",
    [
        rule(when=When(unevaluated=("resources",))),
        Rule("r", needs=Needs(1, ("team/sre",), unevaluated=("reauthenticate",))),
        Rule("r", needs=Needs(1, ("team/sre",), unevaluated=("expires",))),
        rule(0, "team/sre"),
        Rule("r", needs=Needs(1, ())),
        rule(stage="someday"),
        rule(when=When(paths=("a[",))),
        rule("1", "team/sre"),  # type: ignore[arg-type]
        Rule("r", needs=None),  # type: ignore[arg-type]
        Rule("r", when=None),  # type: ignore[arg-type]
    ],
)
def test_rule_that_cannot_be_judged_is_failed_and_never_met(broken: Rule) -> None:
    verdict = evaluate([broken], facts(reviews=approvals(BOB, KIM, CAROL)))
    assert not verdict.allowed
    assert row(verdict, "rule").state == "failed"
    assert "could not be evaluated" in row(verdict, "rule").text
    assert verdict.can_unblock == ()
    assert verdict.summary.startswith("Blocked: ")


def test_clause_that_cannot_be_judged_does_not_matter_where_the_rule_does_not_apply() -> None:
    far = rule(when=When(paths=("charts/",), unevaluated=("resources",)))
    assert evaluate([far], facts(reviews=approvals(BOB))).allowed


def test_rule_that_nobody_can_meet_says_so() -> None:
    for names, why in (
        (("team/ours",), "of 1 person in team/ours, 1 contributed"),
        (("team/empty",), "team/empty has no member who is known here"),
        (("team/nowhere",), "team/nowhere has no member who is known here"),
    ):
        verdict = evaluate([rule(1, *names)], facts())
        found = row(verdict, "rule")
        assert found.state == "failed"
        assert found.text.startswith("Nobody can satisfy this: ")
        assert why in found.text
        assert verdict.can_unblock == ()
        assert "Nobody can satisfy this" in verdict.summary


def test_three_of_a_team_of_two_is_nobody_can_even_when_both_approved() -> None:
    found = row(evaluate([rule(3, "team/sre")], facts(reviews=approvals(BOB, KIM))), "rule")
    assert (found.state, found.have) == ("failed", 2)
    assert "team/sre has only 2 people" in found.text


# --- defaults and code owners ---------------------------------------------------------------------------------


def test_without_rules_an_owner_must_approve() -> None:
    assert not evaluate([], facts("* @bob", reviews=approvals(CAROL))).allowed
    assert evaluate([], facts("* @bob", reviews=approvals(BOB))).allowed


def test_without_rules_and_owners_any_reviewer_may_approve() -> None:
    verdict = evaluate([], facts())
    assert row(verdict, "rule").who_can_act == ("bob", "carol", "kim")
    assert evaluate([], facts(reviews=approvals(CAROL))).allowed


def test_default_holds_when_no_rule_applies() -> None:
    far = rule(1, "team/sre", when=When(paths=("charts/",)))
    assert not evaluate([far], facts()).allowed
    assert not evaluate([rule(1, "team/sre", stage=DEPLOY)], facts()).allowed
    assert evaluate([far], facts(reviews=approvals(CAROL))).allowed


OWNERS = "* @bob\n/infra/ @acme/sre\n[Data][2] @acme/dba\n*.sql\n^[Style]\n*.css @kim\n"
ASK = rule(1, "code-owners", name="owners")


def test_every_owned_path_needs_an_owner_of_it() -> None:
    case = facts("/a @bob\n/b @kim", ("a", "b"))
    assert not evaluate([ASK], replace(case, reviews=approvals(BOB))).allowed
    assert evaluate([ASK], replace(case, reviews=approvals(BOB, KIM))).allowed


def test_one_person_covers_all_that_they_own() -> None:
    verdict = evaluate([ASK], facts("/a @bob\n/b @acme/sre", ("a", "b")))
    assert verdict.can_unblock == ("bob",)
    assert evaluate([ASK], facts("/a @bob\n/b @acme/sre", ("a", "b"), reviews=approvals(BOB))).allowed


def test_both_paths_of_a_rename_need_their_owners() -> None:
    case = facts("/old/ @kim\n/new/ @bob", ("old/x", "new/x"))
    assert not evaluate([ASK], replace(case, reviews=approvals(BOB))).allowed


def test_sections_are_asked_with_their_count_and_place() -> None:
    verdict = evaluate(
        [ASK], facts(OWNERS, ("infra/x.sql", "y.css"), principals={**PRINCIPALS, "@acme/dba": (CAROL, KIM)})
    )
    names = {found.name: found for found in verdict.requirements if found.code == "code_owners"}
    assert names["owners of everything else"].rule is not None
    assert names["owners of everything else"].rule.place == "CODEOWNERS:1"
    assert names["owners in Data"].needed == 2
    assert names["Style"].state == "not_needed"
    assert verdict.summary == "Waiting for 3 of 8. Shortest way: bob, carol and kim approve."


def test_higher_count_of_the_rule_is_asked_of_all_owners_together() -> None:
    case = facts("* @acme/sre")
    assert not evaluate([rule(2, "code-owners")], replace(case, reviews=approvals(BOB))).allowed
    assert evaluate([rule(2, "code-owners")], replace(case, reviews=approvals(BOB, KIM))).allowed


def test_named_principals_may_stand_in_for_owners() -> None:
    assert evaluate([rule(1, "code-owners", "user/carol")], facts("* @bob", reviews=approvals(CAROL))).allowed


def test_unknown_owner_is_shown_and_not_skipped() -> None:
    found = row(evaluate([ASK], facts("* @ghost")), "code_owners")
    assert found.state == "failed"
    assert "@ghost is not known here" in found.evidence
    assert row(evaluate([ASK], facts("* @ghost @bob")), "code_owners").who_can_act == ("bob",)


def test_optional_owners_alone_leave_it_to_any_reviewer() -> None:
    verdict = evaluate([ASK], facts("^[Style]\n* @kim"))
    assert row(verdict, "rule").who_can_act == ("bob", "carol", "kim")


def test_path_whose_owners_were_not_given_fails_closed() -> None:
    verdict = evaluate([ASK], facts(owners="", reviews=approvals(BOB, CAROL, KIM)))
    assert verdict.allowed
    unknown = replace(facts(reviews=approvals(BOB, CAROL, KIM)), owners=())
    assert "the owners of infra/a.tf are not known" in row(evaluate([ASK], unknown), "rule").text


# --- why an approval does not count -----------------------------------------------------------------------------


def standing(
    person: int, *, review: Mapping[str, Any] | None = None, later: tuple[Review, ...] = (), **changes: Any
) -> str:
    given = (Review(person, "approve", 3, **(review or {})), *later)
    verdict = evaluate([rule()], facts(reviews=given, **changes))
    assert not verdict.allowed or verdict.standings[0].counts
    return verdict.standings[0].code


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("author", Standing.AUTHOR),
        ("committer", Standing.COMMITTER),
        ("pusher", Standing.PUSHER),
        ("co_author", Standing.CO_AUTHOR),
        ("suggestion", Standing.SUGGESTION),
        ("sponsor", Standing.SPONSOR),
        ("some other way", Standing.AUTHOR),
    ],
)
def test_contributor_cannot_approve_own_change(how: str, code: Standing) -> None:
    assert standing(BOB, contributors=(Contributor(BOB, how, 1),)) == code


def test_each_reason_is_found() -> None:
    weak = tuple(replace(person, may_approve=person.id != BOB) for person in PEOPLE)
    assert standing(BOB) == Standing.COUNTS
    assert standing(GONE) == Standing.DISABLED
    assert standing(ROBOT) == Standing.SERVICE_ACCOUNT
    assert standing(BOB, people=weak) == Standing.ROLE_REMOVED
    assert standing(99) == Standing.UNKNOWN
    assert standing(BOB, later=(Review(BOB, "request_changes", 3),)) == Standing.SUPERSEDED
    assert standing(BOB, review={"subject_equal": False}) == Standing.BASE_MOVED
    assert standing(BOB, review={"counts": False}) == Standing.UNKNOWN
    assert standing(BOB, review={"counts": False, "why_not": "counts"}) == Standing.UNKNOWN
    assert standing(BOB, review={"counts": False, "why_not": "expired"}) == Standing.EXPIRED
    assert standing(BOB, review={"counts": "yes"}) == Standing.UNKNOWN
    assert standing(BOB, review={"subject_equal": None}) == Standing.BASE_MOVED


def test_approval_of_an_older_source_does_not_count() -> None:
    old = (Review(BOB, "approve", 2, subject_equal=False),)
    verdict = evaluate([rule()], facts(reviews=old))
    assert verdict.standings[0].code == Standing.SOURCE_CHANGED
    assert verdict.standings[0].text == "r3 changed the source since bob approved r2."
    assert row(verdict, "rule").not_counted == verdict.standings


def test_approval_of_an_equal_older_subject_counts_again() -> None:
    reviews = (Review(BOB, "approve", 1), Review(BOB, "approve", 2, subject_equal=False))
    assert evaluate([rule()], facts(reviews=reviews)).allowed


def test_approval_after_own_change_request_counts() -> None:
    reviews = (Review(BOB, "request_changes", 2), Review(BOB, "approve", 3))
    assert evaluate([rule()], facts(reviews=reviews)).allowed


def test_comment_does_not_supersede_an_approval() -> None:
    assert evaluate([rule()], facts(reviews=(*approvals(BOB), Review(BOB, "comment", 3)))).allowed


def test_approval_outside_the_group_is_named_on_the_rule() -> None:
    verdict = evaluate([rule(1, "team/network")], facts(reviews=approvals(BOB)))
    assert verdict.standings[0].code == Standing.COUNTS
    assert [found.code for found in row(verdict, "rule").not_counted] == [Standing.NOT_IN_GROUP]


def test_every_reason_has_a_sentence_that_names_the_person() -> None:
    assert set(SENTENCES) == set(Standing)
    assert all("{who}" in sentence for sentence in SENTENCES.values())
