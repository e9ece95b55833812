"""The verdict, case by case: gates, deploying, rollback, broken policies, records."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.policies.config import DEPLOY, RollbackConfig, When
from apps.policies.evaluation import (
    ChangeRequest,
    EnvironmentFact,
    Facts,
    OpenThread,
    PolicyFact,
    Review,
    Standing,
    evaluate,
    from_record,
    replay,
    to_record,
)
from apps.policies.evaluation.facts import CannotEvaluate
from tests.support.policy_facts import (
    ALICE,
    BOB,
    CAROL,
    ERIN,
    GONE,
    KIM,
    approvals,
    facts,
    row,
    rule,
)

OWNERS = "* @bob\n/infra/ @acme/sre\n[Data][2] @acme/dba\n*.sql\n^[Style]\n*.css @kim\n"
ASK = rule(1, "code-owners", name="owners")

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
        (
            {"is_current": False, "is_coming": True},
            "revision",
            "waiting",
            (),
            "Shortest way: the next revision is there.",
        ),
        ({"is_current": False, "has_target": False}, "revision", "waiting", ("alice",), "alice retargets it"),
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
            "carol or erin takes the role of gone away",
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
