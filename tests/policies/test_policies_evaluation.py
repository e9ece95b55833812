"""The verdict, case by case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from apps.policies.codeowners import parse
from apps.policies.config import DEPLOY, Needs, RollbackConfig, Rule, When
from apps.policies.evaluation import (
    SENTENCES,
    ChangeRequest,
    Contributor,
    EnvironmentFact,
    Facts,
    OpenThread,
    PathOwners,
    Person,
    PolicyFact,
    PolicyVerdict,
    Requirement,
    Review,
    Standing,
    evaluate,
    from_record,
    replay,
    to_record,
)
from apps.policies.evaluation.facts import CannotEvaluate

ALICE, BOB, CAROL, DAVE, ERIN, KIM, ROBOT, GONE = range(1, 9)
PEOPLE = tuple(
    Person(number, name, active=name != "gone", human=name != "robot")
    for number, name in enumerate("alice bob carol dave erin kim robot gone".split(), start=1)
)
PRINCIPALS = {
    "role/reviewer": (ALICE, BOB, CAROL, KIM, ROBOT, GONE),
    "role/maintainer": (CAROL, ERIN),
    "team/sre": (BOB, KIM),
    "team/network": (KIM, CAROL),
    "team/ours": (ALICE,),
    "team/empty": (),
    "user/carol": (CAROL,),
    "@bob": (BOB,),
    "@kim": (KIM,),
    "@acme/sre": (BOB, KIM),
    "@acme/dba": (CAROL, DAVE),
}


def facts(owners: str = "", paths: tuple[str, ...] = ("infra/a.tf",), **changes: Any) -> Facts:
    codeowners = parse(owners)
    base = Facts(
        stage="merge",
        status="in_review",
        requester=ALICE,
        revision=3,
        changed_paths=paths,
        environments=(EnvironmentFact("staging"), EnvironmentFact("production", protected=True)),
        owners=tuple(PathOwners(path, codeowners.owners_of(path)) for path in paths),
        principals=PRINCIPALS,
        people=PEOPLE,
        contributors=(Contributor(ALICE, "author", 2),),
    )
    return replace(base, **changes)


def approvals(*people: int, **more: Any) -> tuple[Review, ...]:
    return tuple(Review(person, "approve", more.pop("revision", 3), **more) for person in people)


def rule(count: int = 1, *names: str, name: str = "r", line: int = 7, **more: Any) -> Rule:
    return Rule(name, needs=Needs(count, names or ("role/reviewer",)), line=line, **more)


def row(verdict: PolicyVerdict, code: str, number: int = 0) -> Requirement:
    return [found for found in verdict.requirements if found.code == code][number]


def states(verdict: PolicyVerdict) -> dict[str, str]:
    return {found.name: found.state for found in verdict.requirements}


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
    assert names["owners: *"].rule is not None
    assert names["owners: *"].rule.place == "CODEOWNERS:1"
    assert names["owners: Data"].needed == 2
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


# --- gates that are not about approvals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "state", "who", "summary"),
    [
        ({"status": "draft"}, "state", "waiting", ("alice",), "alice marks it ready"),
        ({"status": "requested"}, "state", "waiting", ("alice",), "alice marks it ready"),
        ({"status": "merged"}, "state", "failed", (), "Blocked"),
        ({"status": "withdrawn"}, "state", "failed", (), "Blocked"),
        ({"status": "???"}, "state", "failed", (), "Blocked"),
        ({"revision": 0}, "revision", "waiting", ("alice",), "alice pushes a revision"),
        ({"is_current": False}, "revision", "waiting", ("alice",), "alice pushes a revision"),
        ({"has_source": False}, "revision", "waiting", ("alice",), "alice pushes a revision"),
        ({"is_empty": True}, "revision", "waiting", ("alice",), "alice pushes a revision"),
        ({"is_empty": None}, "revision", "waiting", ("alice",), "alice pushes a revision"),
        ({"conflicts": ("a", "b")}, "conflicts", "waiting", ("alice",), "alice resolves the conflicts"),
        (
            {"open_threads": (OpenThread(KIM, "a:3"),)},
            "threads",
            "waiting",
            ("alice", "kim"),
            "alice or kim resolves the thread",
        ),
        ({"change_requests": (ChangeRequest(KIM, 2),)}, "change_requests", "waiting", ("kim",), "kim approves"),
        ({"change_requests": (ChangeRequest(ALICE, 2),)}, "change_requests", "waiting", ("alice",), "alice withdraws"),
        (
            {"change_requests": (ChangeRequest(GONE, 2),)},
            "change_requests",
            "waiting",
            ("carol", "erin"),
            "carol or erin dismisses",
        ),
    ],
)
def test_gate_holds_the_merge(
    changes: dict[str, Any], code: str, state: str, who: tuple[str, ...], summary: str
) -> None:
    verdict = evaluate([rule()], facts(reviews=approvals(BOB), **changes))
    found = row(verdict, code)
    assert not verdict.allowed
    assert (found.state, found.who_can_act) == (state, who)
    assert summary in verdict.summary


def test_what_may_void_approvals_comes_first_in_the_shortest_way() -> None:
    verdict = evaluate([rule(1, "team/sre")], facts(conflicts=("a",)))
    assert (
        verdict.summary == "Waiting for 2 of 6. Shortest way: alice resolves the conflicts, then bob or kim approves."
    )


def test_merging_is_judged_like_in_review() -> None:
    assert evaluate([rule()], facts(status="merging", reviews=approvals(BOB))).allowed


# --- deploy -------------------------------------------------------------------------------------------------------


def deploy(**changes: Any) -> Facts:
    return replace(facts(), **{"stage": "deploy", "environment": "production", "status": "merged", **changes})


GATE = rule(1, "team/network", name="release gate", stage=DEPLOY, when=When(environments=("production",)))


def test_deploy_rule_gates_its_environment_only() -> None:
    assert not evaluate([GATE], deploy()).allowed
    assert evaluate([GATE], deploy(environment="staging")).allowed


def test_approvals_never_cross_stage_or_environment() -> None:
    merge = Review(CAROL, "approve", 3)
    other = Review(CAROL, "approve", 3, stage="deploy", environment="staging")
    right = Review(CAROL, "approve", 3, stage="deploy", environment="production")
    assert not evaluate([GATE], deploy(reviews=(merge, other))).allowed
    assert evaluate([GATE], deploy(reviews=(right,))).allowed
    assert not evaluate([rule()], facts(reviews=(right, other))).allowed


def test_merge_rules_are_not_asked_again_at_deploy_but_it_must_be_merged() -> None:
    assert evaluate([rule(2, "team/sre")], deploy()).allowed
    verdict = evaluate([], deploy(status="in_review"))
    assert row(verdict, "state").state == "waiting"


# --- rollback -----------------------------------------------------------------------------------------------------


def test_rollback_in_a_protected_environment_needs_one_other_person() -> None:
    case = facts(kind="rollback", contributors=(), requester=BOB)
    verdict = evaluate([rule(2, "team/sre")], case)
    assert row(verdict, "rule").state == "not_needed"
    assert row(verdict, "rollback").who_can_act == ("alice", "carol", "kim")
    own = evaluate([], replace(case, reviews=approvals(BOB)))
    assert not own.allowed
    assert own.standings[0].code == Standing.REQUESTER
    assert evaluate([], replace(case, reviews=approvals(CAROL))).allowed


def test_strictest_reached_environment_decides() -> None:
    case = facts(kind="rollback", environments=(EnvironmentFact("staging"), EnvironmentFact("production", True, False)))
    assert evaluate([], case).allowed
    assert not evaluate([], replace(case, rollback=RollbackConfig(1, 1))).allowed
    assert not evaluate([], replace(case, environments=())).allowed


def test_rollback_is_deployed_on_the_approval_of_its_merge() -> None:
    case = deploy(kind="rollback", requester=BOB, contributors=())
    assert not evaluate([GATE], case).allowed
    assert evaluate([GATE], replace(case, reviews=approvals(CAROL))).allowed
    assert not evaluate([], replace(case, environment="elsewhere", reviews=approvals(CAROL))).allowed


# --- the policy itself ----------------------------------------------------------------------------------------------


def test_last_valid_policy_governs_and_says_so() -> None:
    policy = PolicyFact("last_valid", problems=("line 3: no",))
    verdict = evaluate([rule()], facts(policy=policy, reviews=approvals(BOB)))
    assert verdict.allowed
    assert row(verdict, "policy").evidence == ("line 3: no",)


def test_broken_policy_needs_two_maintainers_and_nothing_else_will_do() -> None:
    policy = PolicyFact("broken", problems=("line 3: no",))
    assert not evaluate([], facts(policy=policy, reviews=approvals(BOB, KIM, CAROL))).allowed
    verdict = evaluate([], facts(policy=policy))
    assert row(verdict, "policy").state == "failed"
    assert row(verdict, "policy").evidence[0] == "line 3: no"
    assert verdict.can_unblock == ("carol", "erin")
    assert evaluate([], facts(policy=policy, reviews=approvals(CAROL, ERIN))).allowed


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": "elsewhere"},
        {"kind": "magic"},
        {"policy": PolicyFact("rumour")},
        {"policy": None},
        {"principals": None},
        {"principals": {"role/reviewer": ("1", "2")}},
        {"people": None},
        {"people": ()},
        {"reviews": None},
        {"contributors": None},
        {"owners": None},
        {"environments": None},
        {"changed_paths": None},
        {"conflicts": None},
        {"open_threads": None},
        {"change_requests": None},
        {"revision": None},
        {"status": None},
    ],
)
def test_damaged_facts_are_refused_without_an_exception(changes: dict[str, Any]) -> None:
    case = facts("* @bob", reviews=approvals(BOB, KIM, CAROL))
    assert evaluate([ASK], case).allowed
    rules = [ASK, rule(when=When(environments=("production",)))]
    verdict = evaluate(rules, replace(case, **changes))
    assert not verdict.allowed
    assert verdict.requirements


# --- record -------------------------------------------------------------------------------------------------------


def test_past_verdict_is_replayed_from_json() -> None:
    rules = [
        ASK,
        GATE,
        rule(
            2, "team/sre", name="x", when=When(("a/**",), ("staging",), ("resources",), {"resources": {"kinds": ["A"]}})
        ),
    ]
    case = facts(OWNERS, ("infra/x.sql", "y.css"), reviews=approvals(BOB), change_requests=(ChangeRequest(KIM, 2),))
    record = json.loads(json.dumps(to_record(rules, case)))
    assert replay(record) == evaluate(rules, case)
    again, same = from_record(record)
    assert to_record(again, same) == record
    json.dumps(replay(record).to_dict())


@pytest.mark.parametrize(
    "record", [{}, {"version": 1}, {"version": 2, "rules": [], "facts": {}}, {"version": 1, "rules": 3, "facts": {}}]
)
def test_damaged_record_is_not_replayed(record: dict[str, Any]) -> None:
    with pytest.raises(CannotEvaluate):
        replay(record)


def test_record_with_an_unknown_key_is_not_replayed() -> None:
    record = to_record([rule()], facts())
    record["rules"][0]["when"]["weather"] = "fine"
    with pytest.raises(CannotEvaluate):
        replay(record)
